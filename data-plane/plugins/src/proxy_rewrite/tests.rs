use std::sync::Arc;

use http::Method;
use proptest::prelude::*;
use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, RequestBuilder, request};
use weir_plugin_api::{Context, Plugin};

use super::ProxyRewrite;
use crate::tests::{answer, plugin, refusal, sent};

fn run_in(config: Value, mut context: Context) -> Context {
    assert_eq!(
        answer(plugin::<ProxyRewrite>(config).rewrite(&mut context)),
        None
    );
    context
}

fn run(config: Value, request: RequestBuilder) -> Context {
    run_in(config, request.context(FakeHost::shared()))
}

/// The request target that the node is asked for.
fn target(config: Value, client: &str) -> String {
    run(config, request(client)).target.uri.unwrap()
}

fn with_params(client: &str, params: &[(&str, &str)]) -> Context {
    let mut context = request(client).context(FakeHost::shared());
    context.params = params
        .iter()
        .map(|(name, value)| (Arc::from(*name), (*value).to_owned()))
        .collect();
    context
}

#[test]
fn uri_replaces_the_path_and_keeps_the_query() {
    assert_eq!(target(json!({"uri": "/new"}), "/old"), "/new");
    assert_eq!(
        target(json!({"uri": "/new"}), "/old?a=1&b=%20"),
        "/new?a=1&b=%20"
    );
    assert_eq!(
        target(json!({"uri": "/new?c=3"}), "/old?a=1"),
        "/new?c=3&a=1"
    );
    assert_eq!(target(json!({"uri": "/new?c=3"}), "/old"), "/new?c=3");
}

#[test]
fn uri_may_hold_variables() {
    assert_eq!(target(json!({"uri": "/v2$uri"}), "/a%20b/c"), "/v2/a%20b/c");
    assert_eq!(
        target(json!({"uri": "/$arg_to"}), "/?to=x%3Fy%23z"),
        "/x%3Fy%23z?to=x%3Fy%23z"
    );
    assert_eq!(target(json!({"uri": "/${arg_to}!"}), "/"), "/!");
    assert_eq!(
        target(json!({"uri": "/${arg_to ?? home}?x=1"}), "/"),
        "/home?x=1"
    );
    let context = with_params("/user/7", &[("id", "7")]);
    let context = run_in(json!({"uri": "/u/$uri_param_id"}), context);
    assert_eq!(context.target.uri.as_deref(), Some("/u/7"));
}

#[test]
fn uri_may_hold_captures_of_the_route() {
    let context = with_params("/api/v1/users/XYZ", &[("1", "XYZ")]);
    let context = run_in(json!({"uri": "/v2/internal/legacy-data/$1"}), context);
    assert_eq!(
        context.target.uri.as_deref(),
        Some("/v2/internal/legacy-data/XYZ")
    );
    let context = with_params("/user/a b", &[("id", "a b"), ("host", "mine")]);
    let context = run_in(json!({"uri": "/u/${id}/$host"}), context);
    assert_eq!(context.target.uri.as_deref(), Some("/u/a%20b/example.com"));
}

#[test]
fn values_in_a_query_stay_one_value() {
    let config = json!({"uri": "/find?q=$arg_q&all=$uri"});
    let found = target(config, "/a&b?q=x%26y%3Dz%2B%20%25");
    assert_eq!(
        found,
        "/find?q=x%26y=z%2B%20%25&all=/a%26b&q=x%26y%3Dz%2B%20%25"
    );
    assert_eq!(
        target(json!({"uri": "/a?$args"}), "/?b=1&c=%20"),
        "/a?b=1&c=%20&b=1&c=%20"
    );
}

#[test]
fn the_first_pattern_that_matches_is_applied() {
    let config = json!({"regex_uri": [
        "^/shop/(\\d+)/(.*)$", "/$2/of/${1}",
        "^/shop/(.*)$", "/other/$1",
    ]});
    assert_eq!(
        target(config.clone(), "/shop/12/list?a=1"),
        "/list/of/12?a=1"
    );
    assert_eq!(target(config.clone(), "/shop/x"), "/other/x");
    assert_eq!(run(config, request("/else")).target.uri, None);
}

#[test]
fn only_the_first_match_is_replaced() {
    assert_eq!(
        target(json!({"regex_uri": ["/a", "/b"]}), "/a/a/c"),
        "/b/a/c"
    );
}

#[test]
fn patterns_see_the_decoded_path_and_the_result_is_encoded() {
    let config = json!({"regex_uri": ["^/x y/(.*)$", "/z/$1"]});
    assert_eq!(
        target(config, "/x%20y/a%3Fb%25/%C3%A9"),
        "/z/a%3Fb%25/%C3%A9"
    );
}

#[test]
fn a_question_mark_of_the_replacement_starts_a_query() {
    let config = json!({"regex_uri": ["^/(\\w+)/(.*)$", "/$1?q=$2&x=1"]});
    assert_eq!(target(config.clone(), "/find/a%26b"), "/find?q=a%26b&x=1");
    assert_eq!(target(config, "/find/a?c=3"), "/find?q=a&x=1&c=3");
}

#[test]
fn named_groups_can_be_used() {
    let config = json!({
        "regex_uri": ["^/(?P<kind>\\w+)/(?P<id>\\d+)", "/$id/${kind}"],
        "headers": {"set": {"X-Id": "$id"}},
    });
    let context = run(config, request("/cat/9"));
    assert_eq!(context.target.uri.as_deref(), Some("/9/cat"));
    assert_eq!(sent(&context, "x-id"), ["9"]);
}

#[test]
fn uri_wins_over_regex_uri() {
    let config = json!({"uri": "/one", "regex_uri": [".*", "/two"]});
    assert_eq!(target(config, "/"), "/one");
}

#[test]
fn a_result_without_slash_gets_one() {
    assert_eq!(
        target(json!({"regex_uri": ["^/(.*)$", "$1"]}), "/a/b"),
        "/a/b"
    );
}

#[test]
fn the_raw_target_can_be_taken() {
    let unsafe_uri = json!({"use_real_request_uri_unsafe": true});
    assert_eq!(
        target(unsafe_uri.clone(), "/a%2Fb/%7E?x=%31"),
        "/a%2Fb/%7E?x=%31"
    );
    let mut context = request("/a").context(FakeHost::shared());
    context.request.raw_target = "/a\r\nX: y z".into();
    let context = run_in(unsafe_uri, context);
    assert_eq!(context.target.uri.as_deref(), Some("/a%0D%0AX:%20y%20z"));
    let config = json!({
        "use_real_request_uri_unsafe": true,
        "regex_uri": ["^/a%2F(.*)$", "/z/$1"],
    });
    assert_eq!(target(config, "/a%2Fb%2Fc?x=1"), "/z/b%2Fc?x=1");
    let config = json!({"use_real_request_uri_unsafe": true, "uri": "/a%2Fb"});
    assert_eq!(target(config, "/c?x=1"), "/a%2Fb");
}

#[test]
fn host_and_method_are_replaced() {
    let config = json!({"host": "legacy.internal.com:8080", "method": "POST"});
    let context = run(config, request("/"));
    assert_eq!(
        context.target.host.as_deref(),
        Some("legacy.internal.com:8080")
    );
    assert_eq!(context.target.method, Some(Method::POST));
    assert_eq!(context.target.uri, None);
    assert_eq!(context.request.method, Method::GET);
}

#[test]
fn headers_are_added_set_and_removed() {
    let config = json!({"headers": {
        "add": {"X-A": "2", "X-L": ["a", 1]},
        "set": {"X-B": "$remote_addr", "X-Path": "$uri"},
        "remove": ["X-C"],
    }});
    let client = request("/p")
        .header("x-a", "1")
        .header("x-b", "1")
        .header("x-b", "2")
        .header("x-c", "1");
    let context = run(config, client);
    assert_eq!(sent(&context, "x-a"), ["1", "2"]);
    assert_eq!(sent(&context, "x-l"), ["a", "1"]);
    assert_eq!(sent(&context, "x-b"), ["192.0.2.1"]);
    assert_eq!(sent(&context, "x-path"), ["/p"]);
    assert!(sent(&context, "x-c").is_empty());
}

#[test]
fn the_flat_form_of_headers_sets() {
    let config = json!({"headers": {"X-A": "v", "X-N": 3}});
    let context = run(config, request("/").header("x-a", "1"));
    assert_eq!(sent(&context, "x-a"), ["v"]);
    assert_eq!(sent(&context, "x-n"), ["3"]);
}

#[test]
fn headers_may_hold_captures() {
    let config = json!({
        "regex_uri": ["^/(\\w+)/(x)?(.*)$", "/$3"],
        "headers": {"set": {"X-One": "<$1>", "X-Two": "<$2>", "X-Nine": "<$9>"}},
    });
    let context = run(config, request("/a/b"));
    assert_eq!(sent(&context, "x-one"), ["<a>"]);
    assert_eq!(sent(&context, "x-two"), ["<>"]);
    assert_eq!(sent(&context, "x-nine"), ["<>"]);
    let context = with_params("/a", &[("1", "rest")]);
    let context = run_in(json!({"headers": {"X-One": "$1"}}), context);
    assert_eq!(sent(&context, "x-one"), ["rest"]);
}

#[test]
fn a_host_header_that_is_set_is_the_host_for_the_node() {
    let context = run(json!({"headers": {"Host": "other.example"}}), request("/"));
    assert_eq!(context.target.host.as_deref(), Some("other.example"));
}

#[test]
fn control_characters_reach_neither_headers_nor_target() {
    let evil = "/?a=x%0D%0AEvil:%201&b=%00";
    let config = json!({"uri": "/$arg_a?b=$arg_b", "headers": {"X-A": "$arg_a"}});
    let context = run(config, request(evil));
    let uri = context.target.uri.clone().unwrap();
    assert!(uri.starts_with("/x%0D%0AEvil:%201?b=%00&"), "{uri}");
    assert_eq!(sent(&context, "x-a"), ["x%0D%0AEvil: 1"]);
}

#[test]
fn wrong_configurations_are_refused() {
    assert_eq!(
        refusal::<ProxyRewrite>(json!({"regex_uri": ["a", "b", "c"]})),
        "The length of regex_uri should be an even number"
    );
    let text = refusal::<ProxyRewrite>(json!({"regex_uri": ["(", "/a"]}));
    assert!(text.starts_with("invalid regex_uri((, /a): "), "{text}");
    let text = refusal::<ProxyRewrite>(json!({"regex_uri": ["^/(?!a)", "/a"]}));
    assert!(text.contains("look-around"), "{text}");
    let text = refusal::<ProxyRewrite>(json!({"regex_uri": ["/(a)", "/$foo"]}));
    assert!(text.contains("unknown capture \"foo\""), "{text}");
    assert_eq!(
        refusal::<ProxyRewrite>(json!({"headers": {"X-A": "a\r\nb"}})),
        r#"invalid value character in header (headers["X-A"])"#
    );
    assert_eq!(
        refusal::<ProxyRewrite>(json!({"headers": {"X\tA": "a"}})),
        r#"invalid field character in header (headers["X\tA"])"#
    );
    for config in [
        json!({"uri": "no-slash"}),
        json!({"uri": ""}),
        json!({"host": "a/b"}),
        json!({"method": "BREW"}),
        json!({"headers": {}}),
        json!({"regex_uri": ["a"]}),
    ] {
        assert!(
            !refusal::<ProxyRewrite>(config.clone()).is_empty(),
            "{config}"
        );
    }
}

proptest! {
    /// Whatever a client sends, the request line and the headers stay well-formed.
    #[test]
    fn results_are_always_well_formed(value in "\\PC*|[\\x00-\\x7f]{0,20}", path in "[\\x00-\\x7f]{0,20}") {
        for config in [
            json!({"uri": "/a/$1/$uri?b=$1&c=$uri", "headers": {"X-A": "$1"}}),
            json!({"regex_uri": ["^/(.*)", "/b/$1?c=$1"], "headers": {"X-A": "$1 $uri"}}),
        ] {
            let mut context = with_params("/?client=1", &[("1", &value)]);
            context.request.path = format!("/{path}{value}");
            let context = run_in(config, context);
            if let Some(uri) = context.target.uri {
                prop_assert!(uri.starts_with('/'));
                prop_assert!(uri.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
            }
            // One that comes out empty is none.
            if let Some(header) = context.request.headers.get("x-a") {
                prop_assert!(header.as_bytes().iter().all(|byte| *byte >= b' ' || *byte == b'\t'));
            }
        }
    }
}
