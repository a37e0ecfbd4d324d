//! How the nodes of an upstream are spoken to: compiled once per change.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use rustls_pki_types::ServerName;
use weir_model::Problem;
use weir_model::upstream::{HttpVersion, KeepalivePool, ProxyProtocol, Scheme, Upstream};
use weir_plugin_api::Living;

use super::resolve::Source;
use crate::proxy_protocol;
use crate::tls::NodeTls;
use crate::tls::node::{self, FindSsl};

/// Version of HTTP on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    H1,
    /// HTTP/2, known beforehand or agreed on by ALPN.
    H2,
    /// Whichever the node chooses in ALPN.
    Negotiated,
    /// None: bytes or datagrams are passed on as they are.
    Raw,
}

impl Protocol {
    fn of(config: &Upstream) -> Self {
        match (config.scheme, config.http_version) {
            (Scheme::Grpc | Scheme::Grpcs, _) => Self::H2,
            (Scheme::Http | Scheme::Https, HttpVersion::Two) => Self::H2,
            (Scheme::Https, HttpVersion::Auto) => Self::Negotiated,
            (Scheme::Http | Scheme::Https, _) => Self::H1,
            (Scheme::Tcp | Scheme::Tls | Scheme::Udp | Scheme::Kafka, _) => Self::Raw,
        }
    }

    /// What is offered in ALPN. HTTP/1.1 alone is not offered: nodes take it for granted, and some
    /// know no ALPN.
    fn alpn(self) -> &'static [&'static [u8]] {
        match self {
            Self::H1 | Self::Raw => &[],
            Self::H2 => &[b"h2"],
            Self::Negotiated => &[b"h2", b"http/1.1"],
        }
    }
}

/// How the nodes of an upstream are spoken to.
#[derive(Debug)]
pub struct Transport {
    /// Version of HTTP.
    pub protocol: Protocol,
    /// Encryption.
    pub tls: Option<Arc<NodeTls>>,
    /// How connections are kept.
    pub keepalive: KeepalivePool,
    /// Whether gRPC is spoken.
    pub grpc: bool,
    /// Where names of nodes are asked for.
    pub names: Arc<Source>,
    proxy: Option<ProxyProtocol>,
}

impl PartialEq for Transport {
    fn eq(&self, other: &Self) -> bool {
        // Equal settings of TLS are one already.
        let tls = |transport: &Self| transport.tls.as_ref().map(Arc::as_ptr);
        tls(self) == tls(other)
            && self.protocol == other.protocol
            && self.keepalive == other.keepalive
            && self.grpc == other.grpc
            && self.names == other.names
            && self.proxy == other.proxy
    }
}

impl Transport {
    /// Compiles.
    ///
    /// # Errors
    /// TLS settings that cannot be used, with their path.
    pub fn compile(config: &Upstream, ssl: FindSsl<'_>, living: &Living) -> Result<Self, Problem> {
        let protocol = Protocol::of(config);
        let tls = match config.scheme {
            Scheme::Https | Scheme::Grpcs | Scheme::Tls => {
                let alpn = protocol.alpn();
                Some(NodeTls::compile(config.tls.as_ref(), alpn, ssl, living)?)
            }
            _ => None,
        };
        Ok(Self {
            protocol,
            tls,
            keepalive: config.keepalive_pool.unwrap_or_default(),
            grpc: matches!(config.scheme, Scheme::Grpc | Scheme::Grpcs),
            names: Arc::new(Source::of(config)),
            proxy: config.proxy_protocol,
        })
    }

    /// Whether nodes want a PROXY header.
    #[must_use]
    pub fn wants_preface(&self) -> bool {
        self.proxy.is_some()
    }

    /// What goes before everything else on a connection for this client.
    #[must_use]
    pub fn preface(&self, client: SocketAddr, local: SocketAddr) -> Option<Bytes> {
        let version = self.proxy?;
        Some(proxy_protocol::encode(version, client, local))
    }

    /// TLS of a connection for requests with this Host to this node; `None` in clear.
    ///
    /// # Errors
    /// Neither is a name that could be asked for.
    pub fn tls_for(
        &self,
        host: &str,
        node: &str,
    ) -> Result<Option<(Arc<NodeTls>, ServerName<'static>)>, NoName> {
        let Some(tls) = &self.tls else {
            return Ok(None);
        };
        let name = node::server_name(host, node).ok_or(NoName)?;
        Ok(Some((Arc::clone(tls), name)))
    }
}

/// Host and node are no names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither the Host nor the node is a name that TLS could ask for")]
pub struct NoName;
