use bytes::Bytes;
use serde_json::{Value, json};
use weir_model::{Key, Kind};
use weir_plugin_api::testkit::{FakeHost, request, response};
use weir_plugin_api::{Living, Plugin, PluginDef};

use super::{Compiled, ErrorPage};
use crate::tests::{compile_in, on_route};

fn plugin(metadata: Value) -> Result<Compiled, String> {
    let owner = Key::new(Kind::Route, "1");
    let context = on_route(&owner, "a", &Living::default(), Some(metadata));
    compile_in::<ErrorPage>(json!({}), &context)
}

/// Type and body of an answer that has gone through the plugin.
fn through(metadata: Value, status: u16, from_gateway: bool, kind: &str) -> (String, String) {
    let plugin = plugin(metadata).unwrap();
    let mut context = request("/").context(FakeHost::shared());
    context.record.from_gateway = from_gateway;
    context.response = Some(response(status, &[("content-type", kind)]));
    plugin.header_filter(&mut context);
    let mut body = Vec::new();
    for (chunk, end) in [("as it ", false), ("was", true)] {
        let mut chunk = Bytes::from(chunk);
        plugin.body_filter(&mut context, &mut chunk, end);
        body.extend_from_slice(&chunk);
    }
    let kind = &context.response.unwrap().headers["content-type"];
    (
        kind.to_str().unwrap().to_owned(),
        String::from_utf8(body).unwrap(),
    )
}

fn pages() -> Value {
    json!({
        "enable": true,
        "error_404": {"body": "{\"gone\": true}", "content_type": "application/json"},
        "error_502": {},
    })
}

#[test]
fn pages_of_the_gateway_are_replaced() {
    let found = through(pages(), 404, true, "text/plain");
    assert_eq!(
        found,
        ("application/json".into(), "{\"gone\": true}".into())
    );
    let (kind, body) = through(pages(), 502, true, "text/plain");
    assert_eq!(kind, "text/html");
    assert_eq!(
        body,
        "<html>\n<head><title>502 Bad Gateway</title></head>\n<body>\n<center><h1>502 Bad Gateway</h1>\
         </center>\n<hr><center>Apache APISIX</center>\n</body>\n</html>"
    );
}

#[test]
fn other_answers_pass() {
    let mut off = pages();
    off["enable"] = json!(false);
    let empty = json!({"enable": true, "error_404": {"body": ""}});
    for (metadata, status, from_gateway, kind) in [
        (pages(), 404, false, "text/plain"),
        (pages(), 503, true, "text/plain"),
        (pages(), 401, true, "text/plain"),
        (pages(), 502, true, "application/grpc"),
        (off, 404, true, "text/plain"),
        (json!({}), 404, true, "text/plain"),
        (empty, 404, true, "text/plain"),
    ] {
        let found = through(metadata, status, from_gateway, kind);
        assert_eq!(found, (kind.to_owned(), "as it was".to_owned()), "{status}");
    }
}

#[test]
fn wrong_metadata_is_refused() {
    let wrong = json!({"enable": true, "error_500": {"content_type": "a\nb"}});
    let expected = "error_500.content_type must be able to stand in a header, got \"a\\nb\"";
    assert_eq!(ErrorPage::check_metadata(&wrong), Err(expected.into()));
    assert_eq!(plugin(wrong).err().as_deref(), Some(expected));
    assert_eq!(ErrorPage::check_metadata(&pages()), Ok(()));
}
