//! Stream routes: which L4 connections, and where they go.

use ipnet::IpNet;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::document;
use crate::field::id;
use crate::field::labels::Labels;
use crate::plugin::Plugins;
use crate::resource::{Id, Kind};
use crate::route::networks;
use crate::upstream::Upstream;
use crate::validate::Problem;

/// A stream route in normal form.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamRoute {
    /// Free name.
    pub name: Option<String>,
    /// Labels.
    pub labels: Labels,
    /// Client network.
    pub remote_addr: Option<IpNet>,
    /// Local network.
    pub server_addr: Option<IpNet>,
    /// Local port.
    pub server_port: Option<u16>,
    /// One name or wildcard, in lower case.
    pub sni: Option<String>,
    /// Stream plugins by name.
    pub plugins: Plugins,
    /// The service that the route belongs to.
    pub service_id: Option<Id>,
    /// The upstream by reference.
    pub upstream_id: Option<Id>,
    /// The upstream written inside the route.
    pub upstream: Option<Upstream>,
    /// Protocol inside the stream.
    pub protocol: Option<Protocol>,
}

/// A protocol that is understood inside a stream.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Protocol {
    /// Its name.
    pub name: String,
    /// The stream route above this one.
    #[serde(default, deserialize_with = "id::optional")]
    pub superior_id: Option<Id>,
    /// Its settings.
    #[serde(default)]
    pub conf: Map<String, Value>,
    /// Loggers for single commands.
    #[serde(default)]
    pub logger: Vec<Value>,
}

#[derive(Deserialize)]
struct Raw {
    name: Option<String>,
    #[serde(default)]
    labels: Labels,
    remote_addr: Option<String>,
    server_addr: Option<String>,
    server_port: Option<u16>,
    sni: Option<String>,
    #[serde(default)]
    plugins: Plugins,
    #[serde(default, deserialize_with = "id::optional")]
    service_id: Option<Id>,
    #[serde(default, deserialize_with = "id::optional")]
    upstream_id: Option<Id>,
    upstream: Option<Value>,
    protocol: Option<Protocol>,
}

impl StreamRoute {
    /// Reads a document: schema checked, defaults filled.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(spec: &Value) -> Result<Self, Problem> {
        let raw: Raw = document::read(Kind::StreamRoute, spec)?;
        Ok(Self {
            name: raw.name,
            labels: raw.labels,
            remote_addr: network(raw.remote_addr)?,
            server_addr: network(raw.server_addr)?,
            server_port: raw.server_port,
            sni: raw.sni.map(|sni| sni.to_ascii_lowercase()),
            plugins: raw.plugins,
            service_id: raw.service_id,
            upstream_id: raw.upstream_id,
            upstream: raw.upstream.map(Upstream::inline).transpose()?,
            protocol: raw.protocol,
        })
    }
}

fn network(text: Option<String>) -> Result<Option<IpNet>, Problem> {
    Ok(networks(&text.into_iter().collect::<Vec<_>>())?.pop())
}
