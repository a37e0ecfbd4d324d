//! A request of a case and what is expected of it, as one mapping.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::Deserialize;
use serde_json::Value;

use super::body::Text;
use super::expected::{Gives, Saw, Status};

/// The protocol of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Over {
    /// HTTP/1.1.
    #[default]
    H1,
    /// HTTP/2 without TLS.
    H2c,
    /// HTTP/1.1 over TLS.
    Tls,
    /// HTTP/2 over TLS.
    H2,
}

impl Over {
    pub(crate) fn is_tls(self) -> bool {
        matches!(self, Self::Tls | Self::H2)
    }

    pub(crate) fn is_h2(self) -> bool {
        matches!(self, Self::H2c | Self::H2)
    }
}

/// Where a request goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum At {
    /// The agent's listener.
    #[default]
    Agent,
    /// The agent's status port.
    Status,
    /// The Admin API; paths are below `/apisix/admin/`, the key is added.
    Admin,
}

/// A value, or several.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Several {
    /// One.
    One(String),
    /// In this order.
    Many(Vec<String>),
}

impl Several {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[String] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}

/// How often a request is sent until it is as expected, or for how long it must be.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Seconds(pub f64);

/// How many of many requests another node answered than before. `<n>` in a path or a field is the
/// number of the request.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moved {
    /// Name of the `remember_each`.
    pub since: String,
    /// All that this node answered then and no others.
    pub from: Option<String>,
    /// At most so many.
    pub most: Option<usize>,
}

/// The request comes first, then how it is sent, then what is expected.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Exchange {
    /// Path of a GET.
    pub get: Option<String>,
    /// Path of a HEAD.
    pub head: Option<String>,
    /// Path of a POST.
    pub post: Option<String>,
    /// Path of a PUT.
    pub put: Option<String>,
    /// Path of a PATCH.
    pub patch: Option<String>,
    /// Path of a DELETE.
    pub delete: Option<String>,
    /// Path of an OPTIONS.
    pub options: Option<String>,
    /// `METHOD PATH`, for other methods.
    pub request: Option<String>,
    /// Bytes of the request, as they are sent.
    pub raw: Option<String>,
    /// The Host.
    pub host: Option<String>,
    /// More fields.
    pub headers: BTreeMap<String, Several>,
    /// Body.
    pub body: Option<Text>,
    /// Body, as JSON.
    pub json: Option<Value>,

    /// Protocol.
    pub over: Over,
    /// Receiver.
    pub at: At,
    /// Address of the client.
    pub from: Option<Ipv4Addr>,
    /// Sent before everything else, TLS included, to the listener for PROXY headers.
    pub relay: Option<String>,
    /// Server name of the handshake; the Host when absent.
    pub sni: Option<String>,
    /// So many times, over one connection for each of `clients`.
    pub times: Option<usize>,
    /// So many at a time.
    pub clients: Option<usize>,
    /// Seconds after which the client leaves, unless it has its answer.
    pub leaves: Option<Seconds>,
    /// Sent again until it is as expected, for at most so many seconds.
    pub eventually: Option<Seconds>,
    /// Sent again and again for so many seconds.
    pub during: Option<Seconds>,

    /// Status; 200 when nothing is said. `closed` when the connection ends without an answer.
    pub status: Option<Status>,
    /// The rest of the answer.
    pub gives: Gives,
    /// Which node answered.
    pub node: Option<String>,
    /// Which node did not.
    pub not_node: Option<String>,
    /// Nodes that saw the request, in this order.
    pub tries: Option<Vec<String>>,
    /// How often nodes saw a request at most, retries included.
    pub tries_at_most: Option<usize>,
    /// What the last of them saw.
    pub saw: Option<Saw>,
    /// Answers by node, of all `times`.
    pub spread: Option<BTreeMap<String, usize>>,
    /// How much each number of `spread` may be off.
    pub within: Option<usize>,
    /// Number of different nodes that answered.
    pub nodes: Option<usize>,
    /// Number of connections on which the nodes saw all of them.
    pub connections: Option<usize>,
    /// Seconds that it takes: at least, less than.
    pub took: Option<(f64, f64)>,
    /// Fields of the access log line.
    pub log: Option<Value>,
    /// All connections that the nodes saw are new ones.
    pub new_connections: bool,
    /// Keeps which node answered each of `times`, under this name.
    pub remember_each: Option<String>,
    /// Which of `times` another node answered than then.
    pub moved: Option<Moved>,
    /// Keeps the name of the node that answered under this name, for `<NAME>`.
    pub remember: Option<String>,
}

impl Exchange {
    /// Method and path. Empty for a raw request.
    #[must_use]
    pub fn line(&self) -> (&str, &str) {
        let simple = [
            ("GET", &self.get),
            ("HEAD", &self.head),
            ("POST", &self.post),
            ("PUT", &self.put),
            ("PATCH", &self.patch),
            ("DELETE", &self.delete),
            ("OPTIONS", &self.options),
        ];
        let found = simple
            .into_iter()
            .find_map(|(method, path)| Some((method, path.as_deref()?)));
        let written = || self.request.as_deref()?.split_once(' ');
        found.or_else(written).unwrap_or_default()
    }

    /// # Errors
    /// What does not go together.
    pub(crate) fn check(&self) -> Result<(), String> {
        let (method, _) = self.line();
        if method.is_empty() == self.raw.is_none() {
            return Err("expected one of get, post, ..., request or raw".to_owned());
        }
        if self.body.is_some() && self.json.is_some() {
            return Err("expected body or json, not both".to_owned());
        }
        if self.within.is_some() && self.spread.is_none() {
            return Err("within belongs to spread".to_owned());
        }
        if self.spread.is_some() && self.times.is_none() {
            return Err("spread needs times".to_owned());
        }
        if self.clients.is_some() && (self.moved.is_some() || self.remember_each.is_some()) {
            return Err("moved and remember_each need the order of one client".to_owned());
        }
        Ok(())
    }
}
