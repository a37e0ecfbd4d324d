//! What is measured.

use serde_json::{Map, Value, json};

use crate::bare;
use crate::bed::{Bed, Exchange};

/// Bytes of an answer that is compressed.
pub(crate) const BODY: usize = 100_000;
/// Consumers of the large case.
const CONSUMERS: usize = 1_000_000;
/// Blocks of addresses of the large case.
const BLOCKS: usize = 10_000;

/// One line of the table.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    make: fn() -> Box<dyn FnMut()>,
}

impl Case {
    /// Sets the case up: each call is one request.
    pub(crate) fn prepare(&self) -> Box<dyn FnMut()> {
        (self.make)()
    }
}

/// The case of this name.
pub(crate) fn find(name: &str) -> Option<Case> {
    all().into_iter().find(|case| case.name == name)
}

macro_rules! alone {
    ($($name:literal: $config:tt),* $(,)?) => {
        vec![$(Case { name: $name, make: || route(json!({$name: $config})) }),*]
    };
}

/// All cases, in the order of the table.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = vec![Case {
        name: "no plugin",
        make: || route(json!({})),
    }];
    cases.extend(alone! {
        "real-ip": {"source": "http_x_forwarded_for", "trusted_addresses": ["10.0.0.0/8"]},
        "client-control": {"max_body_size": 1000},
        "request-id": {},
        "fault-injection": {"abort": {"http_status": 503, "percentage": 0}},
        "mocking": {"response_example": "{\"ok\": true}"},
        "cors": {},
        "ip-restriction": {"whitelist": ["10.0.0.0/8"]},
        "ua-restriction": {"denylist": ["curl", "(bot|spider)/\\d"]},
        "referer-restriction": {"whitelist": ["*.example.test"]},
        "csrf": {"key": "secret"},
        "uri-blocker": {"block_rules": ["root.exe", "select.+(from|limit)"]},
        "proxy-rewrite": {"regex_uri": ["^/api/(.*)", "/$1"], "headers": {"set": {"X-Api": "$host"}}},
        "workflow": {"rules": [{"case": [["arg_version", "==", "v9"]], "actions": [["return", {"code": 403}]]}]},
        "api-breaker": {"break_response_code": 502},
        "circuit-breaker": {},
        "limit-conn": {"conn": 1000, "burst": 0, "default_conn_delay": 1, "key": "remote_addr"},
        "limit-req": {"rate": 100_000_000, "burst": 0, "key": "remote_addr"},
        "limit-count": {"count": 4_000_000_000_u64, "time_window": 60, "key": "remote_addr"},
        "traffic-split": {"rules": [{"weighted_upstreams": [{"weight": 1}, {"weight": 1}]}]},
        "redirect": {"uri": "/other"},
        "response-rewrite": {"headers": {"set": {"X-Node": "$host"}, "remove": ["Server"]}},
        "prometheus": {},
        "echo": {"before_body": "<", "after_body": ">"},
        "data-mask": {"request": [{"type": "query", "name": "page", "action": "replace", "value": "*"}]},
        "decompress-request": {},
    });
    cases.extend([
        Case {
            name: "key-auth, 1 consumer",
            make: || key_auth(1),
        },
        Case {
            name: "key-auth, 1,000,000 consumers",
            make: || key_auth(CONSUMERS),
        },
        Case {
            name: "ip-restriction, 10,000 blocks",
            make: blocks,
        },
        Case {
            name: "jwt-auth, HS256",
            make: jwt,
        },
        Case {
            name: "bare HS256 verification",
            make: bare::verify,
        },
        Case {
            name: "proxy-cache, hit in memory",
            make: || route(json!({"proxy-cache": {"cache_strategy": "memory", "cache_zone": "memory_cache", "cache_ttl": 3600}})),
        },
        Case {
            name: "gzip 1, 100 kB",
            make: || compressed(json!({"gzip": {"types": "*"}})),
        },
        Case {
            name: "gzip 6, 100 kB",
            make: || compressed(json!({"gzip": {"types": "*", "comp_level": 6}})),
        },
        Case {
            name: "brotli 4, 100 kB",
            make: || compressed(json!({"brotli": {"types": "*", "comp_level": 4}})),
        },
        Case {
            name: "brotli 6, 100 kB",
            make: || compressed(json!({"brotli": {"types": "*"}})),
        },
        Case {
            name: "zstd 3, 100 kB",
            make: || compressed(json!({"zstd": {"types": "*"}})),
        },
        Case {
            name: "chain of 5",
            make: || chain(5),
        },
        Case {
            name: "chain of 10",
            make: || chain(10),
        },
    ]);
    cases
}

fn route(plugins: Value) -> Box<dyn FnMut()> {
    with(&plugins, Vec::new(), Exchange::default())
}

fn with(plugins: &Value, consumers: Vec<(String, Value)>, exchange: Exchange) -> Box<dyn FnMut()> {
    let bed = Bed::new(plugins, consumers, exchange);
    Box::new(move || bed.once())
}

fn compressed(plugins: Value) -> Box<dyn FnMut()> {
    let exchange = Exchange {
        body: bare::body(BODY),
        ..Exchange::default()
    };
    with(&plugins, Vec::new(), exchange)
}

fn consumers(number: usize) -> Vec<(String, Value)> {
    let consumer = |number: usize| {
        let name = format!("c{number}");
        let spec = json!({
            "username": name,
            "plugins": {"key-auth": {"key": format!("key-of-consumer-{number}")}},
        });
        (name, spec)
    };
    (0..number).map(consumer).collect()
}

fn key_auth(number: usize) -> Box<dyn FnMut()> {
    let exchange = Exchange {
        headers: vec![("apikey", format!("key-of-consumer-{}", number / 2))],
        ..Exchange::default()
    };
    with(&json!({"key-auth": {}}), consumers(number), exchange)
}

fn blocks() -> Box<dyn FnMut()> {
    let block = |number: usize| format!("172.{}.{}.0/24", 16 + number / 256, number % 256);
    let mut list: Vec<String> = (0..BLOCKS).map(block).collect();
    list.push("10.7.33.0/24".to_owned());
    route(json!({"ip-restriction": {"whitelist": list}}))
}

fn jwt() -> Box<dyn FnMut()> {
    let consumer = json!({
        "username": "bench",
        "plugins": {"jwt-auth": {"key": "bench", "secret": bare::SECRET}},
    });
    let exchange = Exchange {
        headers: vec![("authorization", bare::token())],
        ..Exchange::default()
    };
    let consumers = vec![("bench".to_owned(), consumer)];
    with(&json!({"jwt-auth": {}}), consumers, exchange)
}

/// The first so many plugins of a route as it may be.
fn chain(length: usize) -> Box<dyn FnMut()> {
    let all = json!({
        "key-auth": {},
        "limit-count": {"count": 4_000_000_000_u64, "time_window": 60, "key": "consumer_name"},
        "cors": {},
        "proxy-rewrite": {"headers": {"set": {"X-Api": "$host"}}},
        "prometheus": {},
        "request-id": {},
        "ip-restriction": {"whitelist": ["10.0.0.0/8"]},
        "ua-restriction": {"denylist": ["curl"]},
        "uri-blocker": {"block_rules": ["root.exe"]},
        "response-rewrite": {"headers": {"set": {"X-Node": "$host"}}},
    });
    let all = all.as_object().cloned().unwrap_or_default();
    let plugins: Map<String, Value> = all.into_iter().take(length).collect();
    assert_eq!(plugins.len(), length);
    let exchange = Exchange {
        headers: vec![("apikey", "key-of-consumer-0".to_owned())],
        ..Exchange::default()
    };
    with(&Value::Object(plugins), consumers(1), exchange)
}
