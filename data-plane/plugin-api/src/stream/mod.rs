//! One stream (a TCP connection or a UDP session) as plugins see it.
//!
//! A plugin that runs on streams has a definition of its own, [`StreamPluginDef`]: other phases,
//! mostly another schema. Its configuration stands on a stream route or on its service.

mod entry;
mod plugin;
mod vars;

use std::any::Any;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;

pub use entry::{CompiledStreamPlugin, StreamEntry};
pub use plugin::{StreamPlugin, StreamPluginDef, StreamStep};

use crate::address::NodeAddress;
use crate::context::RouteInfo;
use crate::host::Host;
use crate::request::Relay;
use crate::tried::Tried;
use crate::upstreams::UpstreamChoice;

/// What the client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// TCP in clear.
    Tcp,
    /// TLS over TCP, which ends here.
    Tls,
    /// Datagrams.
    Udp,
}

impl Transport {
    /// Name in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
            Transport::Udp => "UDP",
        }
    }
}

/// What is known of a stream before any of its content.
#[derive(Debug, Clone)]
pub struct StreamHead {
    /// The client: the peer, or the one that a relay spoke for.
    pub client: SocketAddr,
    /// Our address.
    pub local: SocketAddr,
    /// Who told of the client in a PROXY header, when it is not the peer itself.
    pub relay: Option<Relay>,
    /// What the client speaks.
    pub transport: Transport,
    /// Name that TLS was set up for, in lower case; `None` without TLS.
    pub server_name: Option<Arc<str>>,
}

impl StreamHead {
    /// Address of the client, an IPv4 one inside IPv6 as IPv4.
    #[must_use]
    pub fn client_ip(&self) -> IpAddr {
        self.client.ip().to_canonical()
    }
}

/// What became of a stream; complete in the log phase.
#[derive(Debug, Clone, Default)]
pub struct StreamRecord {
    /// Unique id.
    pub id: String,
    /// 200, or why it ended, in the terms of HTTP.
    pub status: u16,
    /// Machine-readable reason of a failure, else empty.
    pub reason: &'static str,
    /// Bytes from the client.
    pub received: u64,
    /// Bytes to the client.
    pub sent: u64,
    /// Datagrams from the client; 0 for TCP.
    pub datagrams_received: u64,
    /// Datagrams to the client; 0 for TCP.
    pub datagrams_sent: u64,
    /// From its beginning to its end.
    pub total: Duration,
    /// Every try of a node, in order, when there were several; else empty.
    pub tries: Vec<Tried>,
    /// Time to connect to the node.
    pub connect: Duration,
    /// The node.
    pub node: Option<NodeAddress>,
    /// Host of the node as configured.
    pub node_host: Arc<str>,
}

/// A stream under way. It implements [`weir_model::field::variable::Variables`].
pub struct StreamContext {
    /// Who speaks, where and what.
    pub head: StreamHead,
    /// The stream route, once it is known.
    pub route: Option<Arc<RouteInfo>>,
    /// Where it goes instead of to the upstream of its route; a plugin sets it.
    pub upstream: Option<UpstreamChoice>,
    /// Services of the proxy.
    pub host: Arc<dyn Host>,
    /// What the client has sent, as far as a plugin asked for it; it goes to the node first.
    pub front: BytesMut,
    /// Identifier of an MQTT client; empty when there is none. A plugin sets it.
    pub mqtt_client_id: String,
    /// What became of it.
    pub record: StreamRecord,
    held: Vec<Box<dyn Any>>,
}

impl StreamContext {
    /// A stream that begins.
    #[must_use]
    pub fn new(head: StreamHead, host: Arc<dyn Host>) -> Self {
        Self {
            head,
            route: None,
            upstream: None,
            front: BytesMut::new(),
            mqtt_client_id: String::new(),
            host,
            record: StreamRecord::default(),
            held: Vec::new(),
        }
    }

    /// Keeps something to the end of the stream, and drops it then: the place that a plugin gave it.
    pub fn hold(&mut self, held: impl Any) {
        self.held.push(Box::new(held));
    }
}
