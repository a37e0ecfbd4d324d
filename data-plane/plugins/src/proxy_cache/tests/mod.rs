//! The plugin as a whole: requests, answers of nodes, and what clients get.

mod disk;
mod keeping;
mod serving;
mod sharing;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use weir_plugin_api::testkit::{FakeHost, request, response};
use weir_plugin_api::{Body, CompileContext, Context, Living, Outside, Plugin, Response, Step};

use super::{Compiled, ProxyCache};
use crate::tests::{compile, compile_in, refusal};

/// A gateway with one route that has the plugin.
struct Bed {
    plugin: Compiled,
    host: Arc<FakeHost>,
}

/// What a client asks.
#[derive(Clone)]
struct Ask {
    method: Method,
    target: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    body: &'static str,
}

/// What a client got.
#[derive(Debug)]
struct Got {
    status: u16,
    cache: Option<String>,
    headers: http::HeaderMap,
    body: Bytes,
    /// Whether a node was asked, with these fields.
    asked: Option<http::HeaderMap>,
}

impl Got {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    fn cache(&self) -> &str {
        self.cache.as_deref().unwrap_or("")
    }
}

fn get(target: &'static str) -> Ask {
    Ask {
        method: Method::GET,
        target,
        headers: Vec::new(),
        body: "",
    }
}

impl Ask {
    fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    fn method(mut self, method: &'static str) -> Self {
        self.method = method.parse().unwrap();
        self
    }

    fn context(&self, host: &Arc<FakeHost>) -> Context {
        let mut builder = request(self.target).method(self.method.clone());
        for (name, value) in &self.headers {
            builder = builder.header(name, value);
        }
        let mut context = builder.context(Arc::clone(host) as Arc<_>);
        context
            .request
            .body
            .set(Bytes::from_static(self.body.as_bytes()));
        context
    }
}

/// What a node says.
#[derive(Clone, Default)]
struct Says {
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    body: &'static str,
    /// It breaks off before the end.
    breaks: bool,
}

fn says(body: &'static str) -> Says {
    Says {
        status: 200,
        body,
        ..Says::default()
    }
}

impl Says {
    fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl Bed {
    fn new(mut config: Value) -> Self {
        let memory = [("cache_strategy", "memory"), ("cache_zone", "memory_cache")];
        for (name, value) in memory {
            let config = config.as_object_mut().unwrap();
            config.entry(name).or_insert_with(|| json!(value));
        }
        Self {
            plugin: compile::<ProxyCache>(config).unwrap(),
            host: FakeHost::shared(),
        }
    }

    fn later(&self, seconds: u64) {
        self.host.advance(Duration::from_secs(seconds));
    }

    /// One exchange; `node` is what a node says if it is asked.
    fn ask(&self, ask: Ask, node: Says) -> Got {
        let mut context = ask.context(&self.host);
        self.exchange(&mut context, node)
    }

    fn exchange(&self, context: &mut Context, node: Says) -> Got {
        match enter(&self.plugin, context) {
            Some(response) => self.own(context, response, None),
            None => self.node(context, node),
        }
    }

    /// The answer of a node.
    fn node(&self, context: &mut Context, node: Says) -> Got {
        let asked = context.request.headers.clone();
        let head = response(node.status, &node.headers);
        if context.keep_node_head {
            context.node_head = Some(head.clone());
        }
        context.record.upstream_statuses.push(node.status);
        context.response = Some(head);
        self.plugin.header_filter(context);
        let (front, back) = node.body.split_at(node.body.len() / 2);
        let mut chunks = vec![(front, false), (back, false)];
        if !node.breaks {
            chunks.push(("", true));
        }
        let mut body = Vec::new();
        for (chunk, end) in chunks {
            let mut chunk = Bytes::from_static(chunk.as_bytes());
            self.plugin.body_filter(context, &mut chunk, end);
            body.extend_from_slice(&chunk);
        }
        got(context, body.into(), Some(asked))
    }

    /// An answer that the gateway makes.
    fn own(&self, context: &mut Context, own: Response, asked: Option<http::HeaderMap>) -> Got {
        let mut head = response(own.status.as_u16(), &[]);
        for (name, value) in own.headers {
            head.headers.append(name, value);
        }
        context.record.from_gateway = true;
        context.response = Some(head);
        self.plugin.header_filter(context);
        let mut body = match own.body {
            Body::Text(text) => text,
            _ => Bytes::from_static(b"page"),
        };
        self.plugin.body_filter(context, &mut body, true);
        got(context, body, asked)
    }
}

/// The access phase; what it waits for is there at once.
fn enter(plugin: &Compiled, context: &mut Context) -> Option<Response> {
    match plugin.access(context) {
        Step::Continue => None,
        Step::Respond(response) => Some(*response),
        waits @ Step::Wait(_) => match crate::tests::at_once(waits) {
            Step::Continue => None,
            Step::Respond(response) => Some(*response),
            _ => panic!("it goes on waiting"),
        },
        _ => panic!("it asks for something else"),
    }
}

fn got(context: &Context, body: Bytes, asked: Option<http::HeaderMap>) -> Got {
    let head = context.response.clone().unwrap();
    let cache = head.headers.get("apisix-cache-status");
    Got {
        status: head.status.as_u16(),
        cache: cache.map(|value| value.to_str().unwrap().to_owned()),
        headers: head.headers,
        body,
        asked,
    }
}

#[test]
fn wrong_configurations_are_refused() {
    let text = |config: Value| refusal::<ProxyCache>(config);
    assert_eq!(
        text(json!({"cache_key": ["$uri", "$request_method"]})),
        "cache_key variable $request_method unsupported"
    );
    assert_eq!(
        text(json!({"cache_strategy": "memory"})),
        "invalid or empty cache_zone for cache_strategy: memory"
    );
    assert_eq!(
        text(json!({"cache_zone": "memory_cache"})),
        "invalid or empty cache_zone for cache_strategy: disk"
    );
    assert_eq!(
        text(json!({"cache_ttl": 5, "cache_time": 6})),
        "cache_ttl and cache_time are the same setting, got 5 and 6"
    );
    assert!(text(json!({"cache_header": "a b"})).starts_with("cache_header must be a header name"));
    for config in [
        json!({"cache_key": []}),
        json!({"cache_key": ["$a-b"]}),
        json!({"cache_method": ["PUT"]}),
        json!({"cache_http_status": [199]}),
        json!({"cache_ttl": 0}),
        json!({"cache_zone": ""}),
    ] {
        assert!(!text(config.clone()).is_empty(), "{config}");
    }
    assert!(compile::<ProxyCache>(json!({"cache_zone": "of_the_agent"})).is_ok());
}

#[test]
fn zones_are_those_of_the_agent() {
    let outside = disk::Inline::with_zones(std::path::Path::new("/nowhere"));
    let context = CompileContext {
        outside: outside as Arc<dyn Outside>,
        living: Living::default(),
        ..CompileContext::dry()
    };
    let text = |config: Value| compile_in::<ProxyCache>(config, &context).err();
    assert_eq!(text(json!({"cache_zone": "d"})), None);
    assert_eq!(
        text(json!({})).as_deref(),
        Some("cache_zone disk_cache_one not found")
    );
    assert_eq!(
        text(json!({"cache_zone": "m"})).as_deref(),
        Some("invalid or empty cache_zone for cache_strategy: disk")
    );
}
