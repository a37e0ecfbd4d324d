//! Addresses of DNS resolvers: `IP` or `IP:PORT`.

use std::net::{IpAddr, SocketAddr};

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// The usual port.
const PORT: u16 = 53;

/// Reads an address; `None` when it is none.
#[must_use]
pub fn address(text: &str) -> Option<SocketAddr> {
    match text.parse::<IpAddr>() {
        Ok(ip) => Some(SocketAddr::new(ip, PORT)),
        Err(_) => text.parse().ok().filter(|at: &SocketAddr| at.port() > 0),
    }
}

/// Reads a list of addresses.
pub(crate) fn list<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<SocketAddr>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let read = texts.iter().map(|text| {
        address(text).ok_or_else(|| {
            D::Error::custom(format!("expected a resolver as IP or IP:PORT, got {text}"))
        })
    });
    read.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_may_be_left_out() {
        let shown = |text| address(text).map(|address| address.to_string());
        assert_eq!(shown("10.0.0.2").as_deref(), Some("10.0.0.2:53"));
        assert_eq!(shown("10.0.0.2:5300").as_deref(), Some("10.0.0.2:5300"));
        assert_eq!(shown("::1").as_deref(), Some("[::1]:53"));
        assert_eq!(shown("[::1]:5300").as_deref(), Some("[::1]:5300"));
        for wrong in [
            "",
            "dns.example",
            "10.0.0.2:",
            "10.0.0.2:0",
            "10.0.0.2:99999",
        ] {
            assert_eq!(shown(wrong), None, "{wrong}");
        }
    }
}
