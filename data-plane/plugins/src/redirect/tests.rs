use http::Method;
use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, RequestBuilder, request};
use weir_plugin_api::{Body, Plugin, Scheme};

use super::Redirect;
use crate::tests::{answer, plugin, refusal};

/// Status and place of the answer.
fn run(config: Value, builder: RequestBuilder) -> Option<(u16, String)> {
    let mut context = builder.context(FakeHost::shared());
    let response = answer(plugin::<Redirect>(config).rewrite(&mut context))?;
    assert_eq!(response.body, Body::Text("".into()));
    let (_, place) = response.headers.first().unwrap();
    Some((response.status.as_u16(), place.to_str().unwrap().to_owned()))
}

fn place(config: Value, target: &str) -> Option<String> {
    run(config, request(target)).map(|(_, place)| place)
}

#[test]
fn cleartext_is_sent_to_tls() {
    let config = json!({"http_to_https": true});
    let moved = Some((301, "https://example.com:9443/a%20b?x=1".to_owned()));
    assert_eq!(run(config.clone(), request("/a%20b?x=1")), moved);
    let post = request("/a").method(Method::POST);
    assert_eq!(run(config.clone(), post).unwrap().0, 308);
    let secure = request("/a").header("x-forwarded-proto", "https");
    assert_eq!(run(config.clone(), secure), None);
    let mut context = request("/a").context(FakeHost::shared());
    context.request.scheme = Scheme::Https;
    assert!(answer(plugin::<Redirect>(config).rewrite(&mut context)).is_none());
    assert_eq!(run(json!({"http_to_https": false}), request("/a")), None);
}

#[test]
fn a_place_may_hold_variables() {
    let config = json!({"uri": "/new/$arg_id/\\$x?h=${host}", "ret_code": 301});
    let moved = Some((301, "/new/7/\\$x?h=example.com".to_owned()));
    assert_eq!(run(config, request("/?id=7")), moved);
    let append = |uri: &str| json!({"uri": uri, "append_query_string": true});
    assert_eq!(place(append("/a"), "/?x=1").as_deref(), Some("/a?x=1"));
    assert_eq!(
        place(append("/a?y=2"), "/?x=1").as_deref(),
        Some("/a?y=2&x=1")
    );
    assert_eq!(place(append("/a"), "/").as_deref(), Some("/a"));
    assert_eq!(place(append("/a"), "/?").as_deref(), Some("/a"));
    let encode = json!({"uri": "https://b.example/$arg_p?q=ä", "encode_uri": true});
    let expected = "https://b.example/a%20%25b?q=%C3%A4";
    assert_eq!(place(encode, "/?p=a+%25b").as_deref(), Some(expected));
}

#[test]
fn an_expression_changes_the_path_or_nothing() {
    let config = json!({"regex_uri": ["^/old/(.*)$", "https://new.example/$1"]});
    let moved = Some("https://new.example/a/b".to_owned());
    assert_eq!(place(config.clone(), "/old/a/b?x=1"), moved);
    assert_eq!(place(config, "/other"), None);
    let config = json!({"regex_uri": ["/(\\d+)", "/n$1"]});
    assert_eq!(place(config, "/1/2").as_deref(), Some("/n1/2"));
}

#[test]
fn no_client_adds_a_header() {
    let config = json!({"regex_uri": ["(?s)^/(.*)$", "https://x.example/$1"]});
    let moved = place(config, "/a%0d%0aSet-Cookie:%20a=b").unwrap();
    assert_eq!(moved, "https://x.example/a%0D%0ASet-Cookie:%20a=b");
    let config = json!({"uri": "/$arg_p"});
    assert_eq!(
        place(config, "/?p=%0d%0aX:y").as_deref(),
        Some("/%0D%0AX:y")
    );
}

#[test]
fn wrong_configurations_are_refused() {
    refusal::<Redirect>(json!({}));
    refusal::<Redirect>(json!({"uri": "/a", "http_to_https": true}));
    refusal::<Redirect>(json!({"uri": "/a", "ret_code": 199}));
    let text = refusal::<Redirect>(json!({"http_to_https": true, "append_query_string": true}));
    let expected = "only one of `http_to_https` and `append_query_string` can be configured.";
    assert_eq!(text, expected);
    for (pattern, text) in [("(", "/"), ("a", "$x")] {
        let refused = refusal::<Redirect>(json!({"regex_uri": [pattern, text]}));
        let expected = format!("invalid regex_uri ({pattern}, {text}), err:");
        assert!(refused.starts_with(&expected), "{refused}");
    }
}
