use serde_json::json;

use super::*;

fn parse(spec: Value) -> Route {
    Route::parse(&spec).unwrap()
}

#[test]
fn one_or_several_of_a_matcher_become_a_list() {
    let one =
        parse(json!({"uri": "/a", "host": "A.com", "remote_addr": "10.1.2.3/8", "service_id": 1}));
    let several = parse(
        json!({"uris": ["/a"], "hosts": ["a.com"], "remote_addrs": ["10.0.0.0/8"], "service_id": "1"}),
    );
    assert_eq!(one.uris, several.uris);
    assert_eq!(one.hosts, several.hosts);
    assert_eq!(one.remote_addrs, several.remote_addrs);
    assert_eq!(one.service_id.as_deref(), Some("1"));
    assert_eq!(
        parse(json!({"uri": "/", "host": ["A", "b"], "service_id": 1})).hosts,
        ["a", "b"]
    );
}

#[test]
fn defaults_are_filled_in() {
    let route = parse(json!({"uri": "/a", "service_id": 1}));
    assert!(route.enabled);
    assert_eq!(route.priority, 0);
    assert!(route.vars.is_empty());
    assert_eq!(route.enable_websocket, None);
    assert!(!parse(json!({"uri": "/a", "service_id": 1, "status": 0})).enabled);
}

#[test]
fn a_regex_uri_must_match_the_whole_path() {
    let route = parse(json!({"uri": "/v[0-9]+|/x", "regex_uri": true, "service_id": 1}));
    assert!(route.is_regex());
    assert!(route.regexes[0].is_match("/v12"));
    assert!(route.regexes[0].is_match("/x"));
    assert!(!route.regexes[0].is_match("/v12/more"));
    assert!(!route.regexes[0].is_match("/a/x"));
}

#[test]
fn what_cannot_be_matched_is_refused_with_its_place() {
    let refused = |mut spec: Value| {
        spec["service_id"] = json!(1);
        let problem = Route::parse(&spec).unwrap_err();
        (problem.path, problem.message)
    };
    let expected = |path: &str, message: &str| (path.to_owned(), message.to_owned());
    assert_eq!(
        refused(json!({"uri": "a/b"})),
        expected("uri", "expected a path that starts with /, got \"a/b\"")
    );
    assert_eq!(
        refused(json!({"uris": ["/ok", "/a*b"]})),
        expected(
            "uris[1]",
            "expected * at the end of the path or right after a slash, got \"/a*b\""
        )
    );
    let (path, message) = refused(json!({"uris": ["/ok", "/(["], "regex_uri": true}));
    assert_eq!(path, "uris[1]");
    assert!(
        message.starts_with("with regex_uri true: invalid regex"),
        "{message}"
    );
    let large = "((a{500}){500}){500}";
    let (path, message) = refused(json!({"uri": large, "regex_uri": true}));
    assert_eq!(path, "uri");
    assert!(message.ends_with("bytes when compiled"), "{message}");
    assert_eq!(
        refused(json!({"uri": "/", "headers": {"X Version": "1"}})),
        expected(
            "headers.X Version",
            "expected the name of a header, got \"X Version\""
        )
    );
    let (path, _) = refused(json!({"uri": "/", "headers": {"X-V": "~("}}));
    assert_eq!(path, "headers.X-V");
    assert_eq!(
        refused(json!({"uri": "/", "filter_func": "function(vars) return true end"})),
        expected(
            "filter_func",
            "filter_func is not supported: use vars instead"
        )
    );
}

#[test]
fn headers_are_equal_or_match() {
    let spec = json!({"uri": "/", "service_id": 1, "headers": {"X-Version": "v2", "X-Beta": "~^(1|yes)$"}});
    let headers = parse(spec).headers;
    assert_eq!(headers[0].name, "x-version");
    assert!(headers[0].value.matches("v2") && !headers[0].value.matches("v22"));
    assert!(headers[1].value.matches("yes") && !headers[1].value.matches("no"));
}

#[test]
fn clients_are_matched_by_network() {
    let route = parse(json!({"uri": "/", "service_id": 1, "remote_addrs": ["10.0.0.0/8", "::1"]}));
    assert!(route.allows("10.9.9.9".parse().unwrap()));
    assert!(route.allows("::ffff:10.9.9.9".parse().unwrap()));
    assert!(route.allows("::1".parse().unwrap()));
    assert!(!route.allows("11.0.0.1".parse().unwrap()));
}

#[test]
fn an_upstream_inside_is_read_with_its_spellings() {
    let route = parse(json!({"uri": "/", "upstream": {
        "nodes": {"a:1": 1}, "tls": {"verify_upstream_cert": true}
    }}));
    assert!(route.upstream.unwrap().tls.unwrap().verify);
}

#[test]
fn problems_of_the_upstream_inside_name_its_place() {
    let problem = Route::parse(&json!({"uri": "/", "upstream": {"nodes": {"a:0": 1}}}));
    let problem = problem.unwrap_err();
    assert_eq!(problem.path, "upstream.nodes[\"a:0\"]");
    assert_eq!(problem.message, "invalid port 0");
}
