//! Requests that nobody should send.

use http::{Method, Request};

use super::{CLIENT, KEY, Node};

/// Small deterministic generator: the same requests in every run.
struct Dice(u64);

impl Dice {
    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        &from[usize::try_from(self.0 % from.len() as u64).unwrap()]
    }
}

const KINDS: &[&str] = &[
    "routes",
    "services",
    "upstreams",
    "consumers",
    "consumers/a/credentials",
    "ssls",
    "protos",
    "global_rules",
    "plugin_configs",
    "consumer_groups",
    "plugin_metadata",
    "stream_routes",
    "secrets",
    "secrets/vault",
    "registries",
    "schema",
    "plugins",
    "schema/validate",
    "configs",
    "services/1/graphql_cost_decorations",
    "credentials",
    "%00",
    "",
];
const TAILS: &[&str] = &[
    "",
    "/",
    "//",
    "/1",
    "/1/2/3",
    "/%00",
    "/%ff%fe",
    "/%",
    "/%zz",
    "/..%2f..",
    "/a%2Fb",
    "/routes",
    "/1/plugins/limit-count/count",
    "?page=x&page_size=y",
    "?page=1e308&page_size=100",
    "?ttl=-1",
    "?ttl=99999999999999999999",
    "/1?force=maybe",
    "?filter=%ZZ",
    "?label=&name=[",
    "?%=%&=&&",
    "?name=(((((((((a{1000}){1000}){1000}",
    "?uri=%5C",
    "?consistency=%00",
];
const BODIES: &[&str] = &[
    "",
    "{",
    "null",
    "[]",
    "true",
    "\"x\"",
    "1e999",
    "-0.0",
    "{\"uri\":",
    "{\"uri\":null}",
    "{\"uri\":{}}",
    "{\"id\":[],\"uri\":\"/a\"}",
    "{\"id\":1.5}",
    "{\"id\":-1}",
    "{\"id\":\"a/b\"}",
    "{\"id\":\"\"}",
    "{\"uri\":\"/a\",\"vars\":[[[[[[]]]]]]}",
    "{\"uri\":\"/a\",\"uri\":\"/b\"}",
    "{\"uri\":\"/a\",\"upstream\":{\"nodes\":{\"x\":-1}}}",
    "{\"nodes\":[{\"host\":\"\",\"port\":99999,\"weight\":1.5}]}",
    "{\"nodes\":{\"[::1]:1\":1e300}}",
    "{\"username\":\"\\u0000\"}",
    "{\"username\":5}",
    "{\"plugins\":{\"key-auth\":[]}}",
    "{\"plugins\":{\"limit-count\":{\"count\":\"x\",\"time_window\":{}}}}",
    "{\"plugins\":{\"proxy-rewrite\":{\"regex_uri\":[\"(((((\",\"$1\"]}}}",
    "{\"plugins\":{\"response-rewrite\":{\"filters\":[{\"regex\":\"(?P<\",\"replace\":\"\"}]}}}",
    "{\"cert\":\"-----BEGIN\",\"key\":\"x\",\"snis\":[1]}",
    "{\"content\":\"syntax = ;;;\"}",
    "{\"type\":\"consul\",\"servers\":5}",
    "{\"routes\":[null,[],1],\"services\":{}}",
    "\u{0}\u{1}",
    "{\"uri\":\"/\\ud800\"}",
    "{\"\":\"\"}",
    "{\"routes\":[{\"id\":{}}],\"consumers\":[{\"id\":\"a/credentials/b\"}]}",
];

#[tokio::test]
async fn two_thousand_malformed_requests_cause_no_5xx() {
    let node = Node::start().await;
    let nested = format!("{}1{}", "[".repeat(50_000), "]".repeat(50_000));
    let deep = format!("{{\"uri\":{}1{}}}", "{\"a\":".repeat(120), "}".repeat(120));
    let bodies: Vec<&[u8]> = BODIES
        .iter()
        .map(|body| body.as_bytes())
        .chain([
            nested.as_bytes(),
            deep.as_bytes(),
            b"{\"uri\":\"\xff\"}",
            b"\xff\xfe",
        ])
        .collect();
    let methods = [
        "GET", "PUT", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS", "BREW", "TRACE",
    ];
    let headers = [
        ("x-weir-message", "x"),
        ("if-match", "\"1\""),
        ("if-match", "\""),
        ("if-none-match", "*"),
        ("content-type", "application/yaml"),
        ("cookie", "x_api_key"),
    ];
    let mut dice = Dice(0x5eed_0000_0000_0007);
    for _ in 0..2_000 {
        let method = dice.pick(&methods);
        let path = format!("/apisix/admin/{}{}", dice.pick(KINDS), dice.pick(TAILS));
        let body = dice.pick(&bodies).to_vec();
        let (name, value) = dice.pick(&headers);
        let request = Request::builder()
            .method(*method)
            .uri(path.replace('[', "%5B").replace(['{', '}'], "%7B"))
            .header("x-api-key", KEY)
            .header(*name, *value)
            .body(body.clone().into());
        // What the HTTP library refuses never reaches us.
        let Ok(request) = request else { continue };
        let reply = node.request(CLIENT, request).await;
        assert!(
            reply.status.as_u16() < 500,
            "{method} {path} {:.100}: {} {}",
            String::from_utf8_lossy(&body),
            reply.status,
            reply.text
        );
    }
    // Still in order.
    assert_eq!(
        node.send(Method::PUT, "/upstreams/fine", "{\"nodes\":{}}")
            .await
            .status,
        201
    );
}

#[tokio::test]
async fn headers_that_are_not_text_do_no_harm() {
    let node = Node::start().await;
    for name in [
        "x-api-key",
        "cookie",
        "if-match",
        "x-weir-message",
        "content-type",
    ] {
        let mut request = Request::put("/apisix/admin/upstreams/1")
            .header("x-api-key", KEY)
            .body("{\"nodes\":{}}".into())
            .unwrap();
        let value = http::HeaderValue::from_bytes(b"\xff\xfe\x80").unwrap();
        request.headers_mut().insert(name, value);
        let reply = node.request(CLIENT, request).await;
        assert!(reply.status.as_u16() < 500, "{name}: {}", reply.text);
    }
}
