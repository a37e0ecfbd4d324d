//! Listeners for streams: `apisix.stream_proxy` and the options that name them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde_json::Value;

use super::document::Section;

/// Ports of one range, at most.
const MOST_PORTS: usize = 1024;
/// UDP sessions that one worker has open at once, unless the file says otherwise.
const UDP_SESSIONS: usize = 4096;

const TCP: &str = "a port, a range of ports, IP:PORT, or {addr: IP:PORT, tls: true}";
const UDP: &str = "a port, a range of ports, or IP:PORT";

/// A listener for streams over TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamListener {
    /// Where.
    pub address: SocketAddr,
    /// Whether TLS ends here.
    pub tls: bool,
}

/// Where streams come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Streams {
    /// TCP, also under TLS.
    pub tcp: Vec<StreamListener>,
    /// UDP.
    pub udp: Vec<SocketAddr>,
    /// `udp_sessions`: sessions that one worker has open at once. APISIX has no such option.
    pub udp_sessions: usize,
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            tcp: Vec::new(),
            udp: Vec::new(),
            udp_sessions: UDP_SESSIONS,
        }
    }
}

impl Streams {
    /// Whether there is any listener.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tcp.is_empty() && self.udp.is_empty()
    }
}

/// `apisix.proxy_mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyMode {
    /// Requests alone.
    Http,
    /// Streams alone: nothing listens for requests.
    Stream,
    /// Both.
    Both,
}

/// Reads `proxy_mode` of the section `apisix`.
pub(super) fn mode(apisix: &mut Section<'_>) -> Option<ProxyMode> {
    let text = apisix.text("proxy_mode")?;
    let mode = match text.as_str() {
        "http" => Some(ProxyMode::Http),
        "stream" => Some(ProxyMode::Stream),
        "http&stream" => Some(ProxyMode::Both),
        _ => None,
    };
    if mode.is_none() {
        let expected = "http, stream or http&stream";
        apisix.refuse("proxy_mode", expected, &Value::String(text));
    }
    mode
}

/// Reads `stream_proxy` of the section `apisix`.
pub(super) fn read(apisix: &mut Section<'_>) -> Streams {
    let mut section = apisix.section("stream_proxy");
    let mut streams = Streams::default();
    for item in section.items("tcp") {
        match tcp(&item) {
            Some(listeners) => streams.tcp.extend(listeners),
            None => section.refuse("tcp", TCP, &item),
        }
    }
    for item in section.items("udp") {
        match addresses(&item) {
            Some(addresses) => streams.udp.extend(addresses),
            None => section.refuse("udp", UDP, &item),
        }
    }
    if let Some(sessions) = section.parsed("udp_sessions", "a number of 1 or more") {
        let sessions: std::num::NonZeroUsize = sessions;
        streams.udp_sessions = sessions.get();
    }
    section.finish();
    streams
}

fn tcp(item: &Value) -> Option<Vec<StreamListener>> {
    let (place, tls) = match item {
        Value::Object(fields) => {
            let known = fields.keys().all(|name| name == "addr" || name == "tls");
            let tls = match fields.get("tls") {
                None => false,
                Some(tls) => tls.as_bool()?,
            };
            (fields.get("addr").filter(|_| known)?, tls)
        }
        place => (place, false),
    };
    let listener = |address| StreamListener { address, tls };
    Some(addresses(place)?.into_iter().map(listener).collect())
}

/// The addresses that a port, a range of ports, or one of these with an IP stands for.
fn addresses(item: &Value) -> Option<Vec<SocketAddr>> {
    let text = match item {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    let (ip, ports) = match text.rsplit_once(':') {
        None => (IpAddr::V4(Ipv4Addr::UNSPECIFIED), text.as_str()),
        Some((ip, ports)) => {
            let ip = ip
                .strip_prefix('[')
                .and_then(|ip| ip.strip_suffix(']'))
                .unwrap_or(ip);
            (ip.parse().ok()?, ports)
        }
    };
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
    let range = first..=last;
    let fits = first <= last && range.len() <= MOST_PORTS;
    fits.then(|| range.map(|port| SocketAddr::new(ip, port)).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn places_are_ports_ranges_and_addresses() {
        let shown = |item: Value| -> Option<Vec<String>> {
            let found = addresses(&item)?;
            Some(found.iter().map(ToString::to_string).collect())
        };
        assert_eq!(shown(json!(9100)), Some(vec!["0.0.0.0:9100".to_owned()]));
        let two = vec!["10.0.0.1:9100".to_owned(), "10.0.0.1:9101".to_owned()];
        assert_eq!(shown(json!("10.0.0.1:9100-9101")), Some(two));
        assert_eq!(shown(json!("[::1]:53")), Some(vec!["[::1]:53".to_owned()]));
        for wrong in [
            json!("9101-9100"),
            json!("1-60000"),
            json!("localhost:1"),
            json!(70_000),
            json!(true),
            json!(""),
        ] {
            assert_eq!(addresses(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn tls_is_said_beside_the_address() {
        let tls = tcp(&json!({"addr": "127.0.0.1:9443", "tls": true})).unwrap();
        assert!(tls[0].tls);
        assert!(!tcp(&json!({"addr": 9100})).unwrap()[0].tls);
        assert_eq!(tcp(&json!({"addr": 9100, "tsl": true})), None);
        assert_eq!(tcp(&json!({"tls": true})), None);
        assert_eq!(tcp(&json!({"addr": 1, "tls": "yes"})), None);
    }
}
