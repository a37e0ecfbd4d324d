//! Configuration of `proxy-cache`.

use serde::{Deserialize, Serialize};

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Name of the zone, which the agent's file declares.
    pub cache_zone: String,
    /// Kind of the zone.
    pub cache_strategy: Strategy,
    /// What answers are told apart by.
    pub cache_key: Parts,
    /// Statuses that are kept.
    pub cache_http_status: Vec<u16>,
    /// Methods that are answered from the cache.
    pub cache_method: Vec<Method>,
    /// When one of them has a value other than `0`, the cache is passed over.
    pub cache_bypass: Option<Parts>,
    /// When one of them has a value other than `0`, the answer is not kept.
    pub no_cache: Option<Parts>,
    /// Whether requests and answers decide with `Cache-Control`.
    pub cache_control: bool,
    /// Whether answers with `Set-Cookie` are kept.
    pub cache_set_cookie: bool,
    /// Whether consumers have answers of their own.
    pub consumer_isolation: bool,
    /// Whether clients do not see `Expires` and `Cache-Control`.
    pub hide_cache_headers: bool,
    /// Largest body in bytes that is kept.
    pub max_resp_body_size: u64,
    /// Seconds that an answer lives which says nothing itself; for memory.
    pub cache_ttl: Option<u64>,
    /// The same for both strategies; not in APISIX.
    pub cache_time: Option<u64>,
    /// Name of the field that tells what the cache did; not in APISIX.
    pub cache_header: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cache_zone: "disk_cache_one".into(),
            cache_strategy: Strategy::Disk,
            cache_key: Parts::List(vec!["$host".into(), "$request_uri".into()]),
            cache_http_status: vec![200, 301, 404],
            cache_method: vec![Method::Get, Method::Head],
            cache_bypass: None,
            no_cache: None,
            cache_control: false,
            cache_set_cookie: false,
            consumer_isolation: true,
            hide_cache_headers: false,
            max_resp_body_size: 67_108_864,
            cache_ttl: None,
            cache_time: None,
            cache_header: "Apisix-Cache-Status".into(),
        }
    }
}

/// Where answers are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// In files.
    Disk,
    /// In memory.
    Memory,
}

impl Strategy {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Strategy::Disk => "disk",
            Strategy::Memory => "memory",
        }
    }
}

/// A method that may be answered from the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// GET.
    Get,
    /// POST: told apart by its key only, so the key should have something of the body.
    Post,
    /// HEAD, from what GET left.
    Head,
}

/// Variables and literals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Parts {
    /// One text with any number of variables in it; not in APISIX.
    Text(String),
    /// Each is a variable with `$` in front, or a literal.
    List(Vec<String>),
}

impl Parts {
    /// All texts.
    pub(super) fn texts(&self) -> &[String] {
        match self {
            Parts::Text(text) => std::slice::from_ref(text),
            Parts::List(texts) => texts,
        }
    }
}
