//! Plugins of the tests, and what the pipeline does with plugins.

use bytes::Bytes;
use http::StatusCode;
use http::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};
use weir_plugin_api::{
    CompileContext, Context, Entry, Phase, Phases, Plugin, PluginDef, Response, Step,
};

use super::client::{Client, ask, get};
use super::origin::{Origin, ok};
use super::setup::{config, http, nodes, runtime, start};

/// The table.
pub static TABLE: [Entry; 1] = [Entry::of::<Probe>()];

/// A plugin that does what its configuration says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Probe {
    /// Answers with this status in the access phase.
    answer: Option<u16>,
    /// Sent to the node as path and query.
    uri: Option<String>,
    /// Sent to the node as Host.
    host: Option<String>,
    /// Sent to the node as method.
    method: Option<String>,
    /// Put behind the body.
    append: Option<String>,
    /// Panics in this phase, when the path is `/bad`.
    panic: Option<String>,
    /// Collects the body, and sends it in capitals at its end.
    shout: bool,
}

#[derive(Default)]
struct Collected(Vec<u8>);

impl PluginDef for Probe {
    const NAME: &'static str = "probe";
    const PRIORITY: i32 = 1;
    const PHASES: Phases = Phases::of(&[
        Phase::Rewrite,
        Phase::Access,
        Phase::HeaderFilter,
        Phase::BodyFilter,
        Phase::Log,
    ]);
    const SCHEMA: &'static str = "true";
    type Config = Probe;
    type Compiled = Probe;

    fn compile(config: Probe, _context: &CompileContext<'_>) -> Result<Probe, String> {
        Ok(config)
    }
}

impl Probe {
    fn panics(&self, phase: &str, context: &Context) {
        let wanted = self.panic.as_deref() == Some(phase) && context.request.path == "/bad";
        assert!(!wanted, "on purpose, in {phase}");
    }
}

impl Plugin for Probe {
    fn rewrite<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        self.panics("rewrite", context);
        context.target.uri = self.uri.clone();
        context.target.host = self.host.clone();
        context.target.method = self.method.as_ref().map(|method| method.parse().unwrap());
        Step::Continue
    }

    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        self.panics("access", context);
        match self.answer {
            Some(status) => Step::respond(Response::json(
                StatusCode::from_u16(status).unwrap(),
                json!({ "message": "probe" }),
            )),
            None => Step::Continue,
        }
    }

    fn log(&self, context: &mut Context) {
        self.panics("log", context);
    }

    fn header_filter(&self, context: &mut Context) {
        self.panics("header", context);
        let head = context.response.as_mut().unwrap();
        head.body_changes = self.shout || self.append.is_some();
        head.headers.insert(
            HeaderName::from_static("x-probe"),
            HeaderValue::from_static("seen"),
        );
    }

    fn body_filter(&self, context: &mut Context, chunk: &mut Bytes, end: bool) {
        self.panics("body", context);
        if self.shout {
            let collected = &mut context.local_mut::<Collected>().0;
            collected.extend_from_slice(&chunk.to_ascii_uppercase());
            *chunk = if end {
                Bytes::from(std::mem::take(collected))
            } else {
                Bytes::new()
            };
        }
        if end && let Some(append) = &self.append {
            *chunk = [&chunk[..], append.as_bytes()].concat().into();
        }
    }
}

/// A gateway whose plugin panics in a phase, for the path `/bad`.
pub fn panicking(origin: &Origin, phase: &str) -> weir_proxy::gateway::Gateway {
    with_probe(origin, json!({ "panic": phase }))
}

fn with_probe(origin: &Origin, probe: Value) -> weir_proxy::gateway::Gateway {
    let route = json!({
        "uri": "/*",
        "plugins": { "probe": probe },
        "upstream": nodes(&[origin.address]),
    });
    start(config(), Some(runtime(&[("routes/1", route)])))
}

#[test]
fn answer_of_a_plugin_passes_the_filters() {
    let origin = Origin::text("never");
    let gateway = with_probe(&origin, json!({ "answer": 403, "append": "!" }));
    let answer = ask(http(&gateway), get("/"));
    assert_eq!(answer.status, 403);
    assert_eq!(answer.header("x-probe"), Some("seen"));
    assert_eq!(answer.text(), "{\"message\":\"probe\"}\n!");
    assert!(origin.seen().is_empty());
}

#[test]
fn node_is_asked_what_plugins_say() {
    let origin = Origin::text("ok");
    let probe = json!({ "uri": "/new path?x=1", "host": "inner.test", "method": "PUT" });
    let gateway = with_probe(&origin, probe);
    ask(http(&gateway), get("/old?y=2"));
    let seen = origin.last();
    assert_eq!(seen.line, "PUT /new%20path?x=1 HTTP/1.1");
    assert_eq!(seen.header("host"), Some("inner.test"));
}

#[test]
fn body_filters_may_change_the_length() {
    let origin = Origin::answering(|seen| match seen.line.split(' ').nth(1).unwrap() {
        "/empty" => ok(""),
        "/none" => b"HTTP/1.1 204 No\r\n\r\n".to_vec(),
        "/head" => b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n".to_vec(),
        "/chunked" => {
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n"
                .to_vec()
        }
        _ => ok("whole"),
    });
    let gateway = with_probe(&origin, json!({ "shout": true, "append": "!" }));
    let mut client = Client::connect(http(&gateway));
    assert_eq!(client.ask(get("/whole")).text(), "WHOLE!");
    assert_eq!(client.ask(get("/chunked")).text(), "ABCD!");
    assert_eq!(client.ask(get("/empty")).text(), "!");
    assert_eq!(client.ask(get("/none")).status, 204);
    let head = client.ask("HEAD /head HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(head.status, 200);
    assert_eq!(client.ask(get("/whole")).text(), "WHOLE!");
    assert_eq!(origin.connections(), 1);
    assert!(!gateway.stats().by_reason.contains_key("client_gone"));
}
