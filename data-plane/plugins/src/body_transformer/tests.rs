use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, RequestBuilder, request, response};
use weir_plugin_api::{Body, Context, Plugin, Step};

use super::BodyTransformer;
use crate::tests::{answer, plugin, refusal};

const JSON: &str = "application/json";
const XML: &str = "text/xml; charset=utf-8";
const SOAP: &str = "<?xml version=\"1.0\"?>\n<S:Envelope xmlns:S=\"http://schemas.xmlsoap.org/soap/envelope/\">\n \
    <S:Header/><S:Body>\n<ns2:getCountryResponse xmlns:ns2=\"urn:x\"><ns2:country><ns2:name>Spain</ns2:name>\
    <ns2:population>46704314</ns2:population></ns2:country></ns2:getCountryResponse>\n</S:Body></S:Envelope>";
const FAULT: &str = "<S:Envelope xmlns:S=\"urn:s\"><S:Body><S:Fault><faultcode>S:Server</faultcode>\
    <faultstring xml:lang=\"en\">it &lt;broke&gt; &quot;down&quot;</faultstring></S:Fault></S:Body></S:Envelope>";
const ANSWER: &str = "{% if Envelope.Body.Fault == nil then %}\n{\n  \"status\":\"{{_ctx.var.status}}\",\n  \
    \"population\":{{Envelope.Body.getCountryResponse.country.population}},\n  \
    \"name\":\"{{Envelope.Body.getCountryResponse.country.name}}\"\n}\n{% else %}\n{\n  \
    \"message\":{*_escape_json(Envelope.Body.Fault.faultstring[1])*},\n  \"code\":\"{{Envelope.Body.Fault.faultcode}}\"\n  \
    {% if Envelope.Body.Fault.faultactor ~= nil then %}\n  , \"actor\":\"{{Envelope.Body.Fault.faultactor}}\"\n  {% end %}\n}\n{% end %}";

fn ask(config: Value, request: RequestBuilder) -> Result<String, (u16, Body)> {
    let plugin = plugin::<BodyTransformer>(json!({"request": config}));
    let mut context = request.context(FakeHost::shared());
    match answer(plugin.rewrite(&mut context)) {
        Some(answer) => Err((answer.status.as_u16(), answer.body)),
        None => {
            Ok(String::from_utf8(context.request.body.replacement().unwrap().to_vec()).unwrap())
        }
    }
}

fn post(content_type: &str, body: &str) -> RequestBuilder {
    request("/a?name=john")
        .method(Method::POST)
        .body(content_type, body.to_owned())
}

fn told(config: Value, content_type: &str, chunks: &[&str]) -> (String, Context) {
    let plugin = plugin::<BodyTransformer>(config);
    let mut context = request("/").context(FakeHost::shared());
    let length = chunks
        .iter()
        .map(|chunk| chunk.len())
        .sum::<usize>()
        .to_string();
    let headers = [
        ("content-type", content_type),
        ("content-length", &length),
        ("etag", "x"),
    ];
    context.response = Some(response(200, &headers));
    plugin.header_filter(&mut context);
    let mut out = Vec::new();
    for (index, chunk) in chunks.iter().enumerate() {
        let mut chunk = Bytes::from((*chunk).to_owned());
        plugin.body_filter(&mut context, &mut chunk, index + 1 == chunks.len());
        out.extend_from_slice(&chunk);
    }
    (String::from_utf8(out).unwrap(), context)
}

#[test]
fn json_becomes_xml() {
    let template = "<n:name>{{_escape_xml(name)}}</n:name>";
    let made = ask(
        json!({"template": template}),
        post(JSON, "{\"name\": \"<Spain>\"}"),
    );
    assert_eq!(made.as_deref(), Ok("<n:name>&lt;Spain&gt;</n:name>"));
    let encoded = STANDARD.encode(template);
    let config = json!({"template": encoded, "input_format": "json"});
    assert!(
        ask(config, post("", "{\"name\": \"x\"}"))
            .unwrap()
            .starts_with("<n:name>x")
    );
    let config = json!({"template": STANDARD.encode("{{name}}!"), "template_is_base64": true});
    let made = ask(config, request("/?name=a").body("", ""));
    assert_eq!(made.as_deref(), Ok("a!"));
}

#[test]
fn xml_becomes_json() {
    let config = json!({"response": {"input_format": "xml", "template": ANSWER}});
    let (front, back) = SOAP.split_at(100);
    let (made, context) = told(config.clone(), XML, &[front, back]);
    let made: Value = serde_json::from_str(&made).unwrap();
    assert_eq!(
        made,
        json!({"status": "200", "population": 46704314, "name": "Spain"})
    );
    let head = context.response.unwrap();
    assert!(head.body_changes && head.headers.get("etag").is_none());
    let (made, _) = told(config, XML, &[FAULT]);
    let made: Value = serde_json::from_str(&made).unwrap();
    assert_eq!(
        made,
        json!({"message": "it <broke> \"down\"", "code": "S:Server"})
    );
}

#[test]
fn every_format_is_read() {
    let template = "{\"foo\":\"{{name .. \" world\"}}\"}";
    let expected = Ok("{\"foo\":\"hello world\"}");
    let multipart = "--b\r\ncontent-disposition: form-data; name=name\r\n\r\nhello\r\n--b--\r\n";
    for (format, content_type, body) in [
        (
            None,
            "application/x-www-form-urlencoded",
            "name=hello&age=20",
        ),
        (Some("encoded"), "", "name=hello"),
        (Some("json"), "text/plain", "{\"name\": \"hello\"}"),
        (
            Some("multipart"),
            "multipart/form-data; boundary=b",
            multipart,
        ),
        (None, "multipart/form-data; boundary=b", multipart),
    ] {
        let mut config = json!({"template": template});
        if let Some(format) = format {
            config["input_format"] = format.into();
        }
        let made = ask(config, post(content_type, body));
        assert_eq!(made.as_deref(), expected, "{format:?} {content_type}");
    }
    let config = json!({"template": "{{name}} {{_body}}", "input_format": "args"});
    assert_eq!(ask(config, post(JSON, "x")).as_deref(), Ok("john x"));
    let config = json!({"template": "{{name}}!{{_body}}"});
    assert_eq!(ask(config, post("text/plain", "{")).as_deref(), Ok("!{"));
    // The input of a GET is its query, whatever is said.
    let config = json!({"template": "{{name}}", "input_format": "json"});
    assert_eq!(
        ask(config, request("/?name=j").body("", "")).as_deref(),
        Ok("j")
    );
    // Without a body there is nothing to decode.
    let config = json!({"template": "{{_body}}-", "input_format": "json"});
    assert_eq!(ask(config, post(JSON, "")).as_deref(), Ok("-"));
}

#[test]
fn helpers_cannot_be_shadowed_by_fields() {
    let config = json!({"template": "{{_body == nil}} {{_escape_xml(context.a)}}"});
    let made = ask(
        config,
        post(JSON, "{\"_body\": 1, \"_escape_xml\": 2, \"a\": \"b\"}"),
    );
    assert_eq!(made.as_deref(), Ok("false b"));
}

#[test]
fn what_cannot_be_decoded_or_rendered_is_refused() {
    let text = |refused: Result<String, (u16, Body)>| match refused {
        Err((status, Body::Json(body))) => {
            format!("{status} {}", body["message"].as_str().unwrap())
        }
        other => panic!("{other:?}"),
    };
    let config = json!({"template": "x", "input_format": "xml"});
    let refused = text(ask(config.clone(), post(JSON, "{\"name\": 1}")));
    assert!(
        refused.starts_with("400 request body decode: Error Parsing XML"),
        "{refused}"
    );
    let config_json = json!({"template": "x", "input_format": "json"});
    let refused = text(ask(config_json, post(JSON, "{")));
    assert!(
        refused.starts_with("400 request body decode: EOF"),
        "{refused}"
    );
    let config_null = json!({"template": "{{name.x}}"});
    let refused = text(ask(config_null, post(JSON, "{}")));
    assert_eq!(
        refused,
        "503 request template rendering: line 1: attempt to index a nil value (global 'name')"
    );
    let config_parts = json!({"template": "x", "input_format": "multipart"});
    assert!(
        text(ask(config_parts, post(JSON, "x")))
            .starts_with("400 request body decode: it is not the multipart")
    );
    let plugin = plugin::<BodyTransformer>(json!({"request": config, "max_req_body_size": 3}));
    let mut context = post(XML, "<a/>").context(FakeHost::shared());
    let refused = answer(plugin.rewrite(&mut context)).unwrap();
    assert_eq!((refused.status.as_u16(), refused.body), (413, Body::Page));
    let mut context = request("/").context(FakeHost::shared());
    assert!(matches!(plugin.rewrite(&mut context), Step::ReadBody));
}

#[test]
fn documents_of_evil_are_refused() {
    let config = json!({"template": "{{a}}", "input_format": "xml"});
    let deep = "<a>".repeat(100_000);
    let wide = format!("<a>{}</a>", "<b/>".repeat(300_000));
    for evil in [
        "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
        "<a>&x;</a>",
        "<a b=\"&x;\"/>",
        "<a></b>",
        "<a><b></a></b>",
        "<a/><b/>",
        "<a/>text",
        "text",
        "<a>&#0;</a>",
        "<a b=1 b=2/>",
        &deep,
        &wide,
    ] {
        let refused = ask(config.clone(), post(XML, evil));
        assert_eq!(
            refused.unwrap_err().0,
            400,
            "{}",
            evil.get(..40).unwrap_or(evil)
        );
    }
}

#[test]
fn elements_are_what_xml2lua_makes_of_them() {
    let xml = "\u{feff}<?xml version=\"1.0\"?><!-- c --><r n:Id=\"7&amp;8\"> <i>1</i><i k=\"v\">2</i><n:i/>\
               <t> a &amp; b&#32;</t><c><![CDATA[<x>]]></c><m>one<b/>two</m><s>text<b>gone</b></s></r>";
    let template = "{*_escape_json(r)*}";
    let config = json!({"template": template, "input_format": "xml"});
    let made: Value = serde_json::from_str(&ask(config, post(XML, xml)).unwrap()).unwrap();
    assert_eq!(
        made,
        json!({
            "_attr": {"id": "7&8"},
            "i": ["1", {"_attr": {"k": "v"}, "1": "2"}, ""],
            "t": "a & b ",
            "c": "<x>",
            "m": {"1": "one", "2": "two", "b": ""},
            "s": "text",
        })
    );
}

#[test]
fn an_answer_that_cannot_be_transformed_passes() {
    let config =
        json!({"response": {"input_format": "xml", "template": "{{a}}"}, "max_resp_body_size": 20});
    assert_eq!(
        told(config.clone(), "text/html", &["<html><br></html>"]).0,
        "<html><br></html>"
    );
    assert_eq!(told(config.clone(), XML, &["<a>x</a>"]).0, "x");
    let large = "<a>more than twenty bytes</a>";
    let (made, context) = told(config.clone(), XML, &[large]);
    assert_eq!(made, large);
    assert!(!context.response.unwrap().body_changes);
    // Too large, and its head did not say so.
    let plugin = plugin::<BodyTransformer>(config);
    let mut context = request("/").context(FakeHost::shared());
    context.response = Some(response(200, &[("content-type", "text/xml")]));
    plugin.header_filter(&mut context);
    let mut chunk = Bytes::from_static(large.as_bytes());
    plugin.body_filter(&mut context, &mut chunk, false);
    assert_eq!(chunk, large);
}

#[test]
fn the_type_that_the_node_names_counts() {
    let plugin = plugin::<BodyTransformer>(json!({"response": {"template": "{{a}}"}}));
    let mut context = request("/").context(FakeHost::shared());
    context.response = Some(response(200, &[("content-type", "text/xml")]));
    plugin.header_filter(&mut context);
    // response-rewrite comes behind.
    context.response = Some(response(200, &[("content-type", "application/json")]));
    let mut chunk = Bytes::from_static(b"<a>x</a>");
    plugin.body_filter(&mut context, &mut chunk, true);
    assert_eq!(chunk, "x");
}

#[test]
fn templates_that_cannot_run_are_refused() {
    let refused = refusal::<BodyTransformer>(json!({"request": {"template": "a\n{{f()}}"}}));
    assert_eq!(
        refused,
        "request template compile: line 2: function 'f' is not supported"
    );
}
