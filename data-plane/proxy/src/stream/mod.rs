//! Streams: TCP connections and UDP sessions that are passed on without being understood.
//!
//! ```text
//! listener ─▶ (PROXY header) ─▶ (TLS) ─▶ index: stream route ─▶ chain: preread ─▶ nodes ─▶ relay
//!                                                                                       └▶ log
//! ```
//!
//! A stream takes the runtime once and keeps the route and the upstream that it found there to its
//! end: a change of the configuration closes none.

pub mod chain;
mod front;
pub mod index;
mod log;
pub mod matcher;
pub mod metrics;
mod nodes;
mod relay;
pub mod route;
mod session;
pub mod tcp;
pub mod udp;

use std::time::Duration;

use weir_model::upstream::Upstream;
use weir_plugin_api::stream::Transport;

/// How long a TCP connection may be silent where the upstream says nothing: nginx'
/// `proxy_timeout`.
const IDLE_TCP: Duration = Duration::from_secs(600);
/// How long a UDP session may be silent where the upstream says nothing.
const IDLE_UDP: Duration = Duration::from_secs(60);

/// Limits of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limits {
    /// From the start of the connection to the node to its end.
    connect: Duration,
    /// While one side does not take what the other sent.
    send: Duration,
    /// While neither side sends anything.
    idle: Duration,
}

impl Limits {
    fn of(upstream: &Upstream, transport: Transport) -> Self {
        let idle = match (&upstream.timeout, transport) {
            (Some(timeout), _) => timeout.read,
            (None, Transport::Udp) => IDLE_UDP,
            (None, Transport::Tcp | Transport::Tls) => IDLE_TCP,
        };
        let timeout = upstream.timeout.unwrap_or_default();
        Self {
            connect: timeout.connect,
            send: timeout.send,
            idle,
        }
    }
}
