//! Where a node is reached.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

/// An address that can be connected to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum NodeAddress {
    /// Over TCP.
    Tcp(SocketAddr),
    /// A Unix socket, by its absolute path.
    Unix(Arc<str>),
}

impl NodeAddress {
    /// IP address; a Unix socket has none.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            NodeAddress::Tcp(address) => Some(address.ip()),
            NodeAddress::Unix(_) => None,
        }
    }

    /// Port; a Unix socket has none.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self {
            NodeAddress::Tcp(address) => Some(address.port()),
            NodeAddress::Unix(_) => None,
        }
    }
}

impl From<SocketAddr> for NodeAddress {
    fn from(address: SocketAddr) -> Self {
        NodeAddress::Tcp(address)
    }
}

impl fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NodeAddress::Tcp(address) => address.fmt(f),
            NodeAddress::Unix(path) => write!(f, "unix:{path}"),
        }
    }
}

impl FromStr for NodeAddress {
    type Err = std::net::AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("unix:") {
            Some(path) => Ok(NodeAddress::Unix(Arc::from(path))),
            None => text.parse().map(NodeAddress::Tcp),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_written() {
        for text in ["127.0.0.1:80", "[::1]:8080", "unix:/run/app.sock"] {
            assert_eq!(text.parse::<NodeAddress>().unwrap().to_string(), text);
        }
        assert!("/run/app.sock".parse::<NodeAddress>().is_err());
    }
}
