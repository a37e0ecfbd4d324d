//! Plain sockets, as log shippers use them.

use std::time::Duration;

/// How to write to a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SocketKind {
    /// A byte stream.
    Tcp,
    /// A byte stream inside TLS.
    Tls {
        /// Whether the certificate must be trusted and fit the name.
        verify: bool,
    },
    /// Datagrams.
    Udp,
}

/// A place to write to. Connections are shared by all that are equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SocketTarget {
    /// How.
    pub kind: SocketKind,
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Name for SNI and verification where it differs from `host`.
    pub server_name: Option<String>,
    /// To connect and to write.
    pub timeout: Duration,
    /// How long an idle connection is kept; zero closes it after each write.
    pub keepalive: Duration,
    /// Tells connections to the same place apart, for those who want several of them.
    pub lane: u32,
}
