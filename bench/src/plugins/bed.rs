//! A request through the plugins of a route, by the real compiler and chain; no network.

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use serde_json::{Value, json};
use weir_model::endpoint::Endpoints;
use weir_model::{Key, Kind, Resource, ResourceSet};
use weir_plugin_api::outside::Unreachable;
use weir_plugin_api::{
    Body, Context, Living, Phase, RequestBody, RequestHead, Response, ResponseHead, Scheme,
};
use weir_plugins::BUILTIN;
use weir_proxy::chain::{Active, Chain};
use weir_proxy::router::RouterSettings;
use weir_proxy::runtime::{CompileEnv, Runtime, SystemEnvironment, compile};

/// What a node answers and how a request looks.
#[derive(Clone, Default)]
pub(crate) struct Exchange {
    /// Fields of the request.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// Body of the answer.
    pub(crate) body: Bytes,
}

/// One route and its plugins.
pub(crate) struct Bed {
    runtime: Runtime,
    runner: tokio::runtime::Runtime,
    request: RequestHead,
    answer: ResponseHead,
    body: Bytes,
}

impl Bed {
    /// Compiles a route with these plugins, and consumers.
    pub(crate) fn new(
        plugins: &Value,
        consumers: Vec<(String, Value)>,
        exchange: Exchange,
    ) -> Self {
        let mut set = ResourceSet {
            revision: 1,
            ..ResourceSet::default()
        };
        let route = json!({
            "uri": "/api/*",
            "upstream": {"nodes": {"127.0.0.1:8080": 1}},
            "plugins": plugins,
        });
        insert(&mut set, Kind::Route, "1", route);
        for (name, spec) in consumers {
            insert(&mut set, Kind::Consumer, &name, spec);
        }
        let env = CompileEnv {
            plugins: BUILTIN,
            stream_plugins: &[],
            endpoints: Endpoints::default(),
            living: Living::default(),
            settings: RouterSettings::default(),
            environment: Arc::new(SystemEnvironment::new("bench")),
            attributes: weir_plugin_api::Attributes::default(),
            outside: Arc::new(Unreachable),
            tls: weir_proxy::tls::Terms::default(),
        };
        let (runtime, report) = compile(&set, None, &env);
        assert!(report.refused.is_empty(), "{:?}", report.refused);
        let runner = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
        Self {
            runtime,
            runner,
            request: head(&exchange),
            answer: ResponseHead {
                status: StatusCode::OK,
                headers: fields(&[
                    ("content-type", "application/json".to_owned()),
                    ("content-length", exchange.body.len().to_string()),
                    ("etag", "\"33a64df5\"".to_owned()),
                ]),
                body_changes: false,
            },
            body: exchange.body,
        }
    }

    /// One request, from its head to its log.
    pub(crate) fn once(&self) {
        let mut context = Context::new(self.request.clone(), self.runtime.host());
        let mut active = Active::default();
        let route = self.runtime.enter(&mut context, &mut active);
        let route = route.expect("the request has its route");
        let chain = &route.chain;
        let early = self.runner.block_on(early(chain, &mut context));
        let (head, mut body) = match early {
            Some(own) => {
                context.record.from_gateway = true;
                rendered(*own)
            }
            None => {
                if context.keep_node_head {
                    context.node_head = Some(self.answer.clone());
                }
                (self.answer.clone(), self.body.clone())
            }
        };
        context.record.status = head.status.as_u16();
        context.response = Some(head);
        chain.header_filter(&mut context);
        context.choose_coding();
        chain.body_filter(&mut context, &mut body, true);
        context.code_body(&mut body, true);
        black_box(&body);
        chain.log(&mut context);
    }
}

async fn early(chain: &Chain, context: &mut Context) -> Option<Box<Response>> {
    for phase in [Phase::Rewrite, Phase::Access, Phase::BeforeProxy] {
        let answer = chain.run(phase, context, None).await;
        if let Ok(Some(answer)) = answer {
            return Some(answer);
        }
    }
    None
}

fn rendered(response: Response) -> (ResponseHead, Bytes) {
    let body = match response.body {
        Body::Text(bytes) => bytes,
        Body::Json(value) => Bytes::from(value.to_string()),
        Body::Page => Bytes::from_static(b"page"),
    };
    let head = ResponseHead {
        status: response.status,
        headers: response.headers.into_iter().collect(),
        body_changes: false,
    };
    (head, body)
}

fn head(exchange: &Exchange) -> RequestHead {
    let mut all = vec![
        ("host", "api.example.test".to_owned()),
        (
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64) bench/1".to_owned(),
        ),
        ("accept", "*/*".to_owned()),
        ("accept-encoding", "gzip, br, zstd".to_owned()),
        ("referer", "https://www.example.test/page".to_owned()),
        ("origin", "https://www.example.test".to_owned()),
    ];
    all.extend(exchange.headers.iter().cloned());
    let mut body = RequestBody::default();
    body.set(Bytes::new());
    RequestHead {
        method: Method::GET,
        version: Version::HTTP_11,
        scheme: Scheme::Http,
        raw_target: "/api/v1/orders/17?version=v2&page=3".to_owned(),
        path: "/api/v1/orders/17".to_owned(),
        routed_path: None,
        query: Some("version=v2&page=3".to_owned()),
        host: "api.example.test".to_owned(),
        authority: "api.example.test".to_owned(),
        headers: fields(&all),
        peer: ([10, 7, 33, 1], 40_000).into(),
        relay: None,
        local: ([127, 0, 0, 1], 9080).into(),
        client_ip: [10, 7, 33, 1].into(),
        client_port: 40_000,
        body,
    }
}

fn fields(all: &[(&'static str, String)]) -> HeaderMap {
    let field = |(name, value): &(&'static str, String)| {
        let value = HeaderValue::from_str(value).expect("a value of a field");
        (HeaderName::from_static(name), value)
    };
    all.iter().map(field).collect()
}

fn insert(set: &mut ResourceSet, kind: Kind, id: &str, spec: Value) {
    let key = Key::new(kind, id);
    let resource = Resource {
        key: key.clone(),
        spec: Arc::new(spec),
        created: 1,
        modified: set.revision,
        create_time: 1,
        update_time: 1,
        expires_at_ms: None,
    };
    set.resources.insert(key, Arc::new(resource));
}
