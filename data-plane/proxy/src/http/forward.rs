//! Who the client is, and what the node is told about it (objects.md section 12.3).

use std::net::IpAddr;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;
use smallvec::SmallVec;
use weir_model::upstream::{PassHost, Upstream};
use weir_plugin_api::text::ip_text;
use weir_plugin_api::{Context, RequestHead, Scheme};

/// `X-Forwarded-For`.
pub const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// `X-Forwarded-Proto`.
pub const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// `X-Forwarded-Host`.
pub const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// `X-Forwarded-Port`.
pub const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
/// `X-Real-IP`.
pub const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Static `real_ip_header`, `real_ip_from`, `real_ip_recursive`: whose word about the client's
/// address is taken, and where it stands.
#[derive(Debug, Clone)]
pub struct RealIp {
    /// Field that holds the address, or a chain of addresses.
    pub header: HeaderName,
    /// Peers whose field is believed.
    pub from: Vec<IpNet>,
    /// Whether believed addresses in the chain are skipped, from its end.
    pub recursive: bool,
}

impl Default for RealIp {
    /// As APISIX ships: `X-Real-IP`, from this host only.
    fn default() -> Self {
        Self {
            header: REAL_IP,
            from: vec![IpNet::from(IpAddr::from([127, 0, 0, 1]))],
            recursive: false,
        }
    }
}

/// Finds the client's address, and makes the forwarding fields say what was observed, before
/// anybody looks at them.
pub fn observe(head: &mut RequestHead, real_ip: &RealIp, trusted: Option<&[IpNet]>) {
    let peer = super::request::client_address(head.peer.ip());
    if contains(&real_ip.from, peer)
        && let Some(address) = told_address(&head.headers, real_ip)
    {
        head.client_ip = address;
    }
    head.headers.remove(header::FORWARDED);
    let believed = trusted.is_some_and(|trusted| contains(trusted, peer));
    if trusted.is_some() && !believed {
        head.headers.remove(FORWARDED_FOR);
    }
    // What APISIX observes: its own port, and the host without one.
    let port = head.local.port();
    let host = HeaderValue::from_str(&head.host).ok();
    let proto = match head.scheme {
        Scheme::Http => HeaderValue::from_static("http"),
        Scheme::Https => HeaderValue::from_static("https"),
    };
    for (name, observed) in [
        (FORWARDED_PROTO, Some(proto)),
        (FORWARDED_HOST, host),
        (FORWARDED_PORT, Some(HeaderValue::from(port))),
    ] {
        if believed && head.headers.contains_key(&name) {
            continue;
        }
        match observed {
            Some(value) => head.headers.insert(name, value),
            None => head.headers.remove(name),
        };
    }
}

/// Adds what only the node is told: the chain with our peer at its end, and the client's address.
pub fn finish(head: &mut RequestHead) {
    let peer = super::request::client_address(head.peer.ip());
    let mut chain = SmallVec::<[u8; 64]>::new();
    for value in head.headers.get_all(FORWARDED_FOR) {
        chain.extend_from_slice(value.as_bytes());
        chain.extend_from_slice(b", ");
    }
    chain.extend_from_slice(ip_text(peer).as_bytes());
    // The parts were valid values, so their sum is one.
    if let Ok(value) = HeaderValue::from_bytes(&chain) {
        head.headers.insert(FORWARDED_FOR, value);
    }
    if let Ok(value) = HeaderValue::from_str(&ip_text(head.client_ip)) {
        head.headers.insert(REAL_IP, value);
    }
}

/// `Host` for a node: what a plugin set, else what `pass_host` says. `authority` is the node's own.
#[must_use]
pub fn host<'a>(context: &'a Context, config: &'a Upstream, authority: &'a str) -> &'a str {
    match (&context.target.host, config.pass_host) {
        (Some(host), _) => host,
        (None, PassHost::Pass) => &context.request.authority,
        (None, PassHost::Node) => authority,
        (None, PassHost::Rewrite) => config.upstream_host.as_deref().unwrap_or_default(),
    }
}

fn told_address(headers: &HeaderMap, real_ip: &RealIp) -> Option<IpAddr> {
    let mut found = None;
    for value in headers.get_all(&real_ip.header).iter().rev() {
        for part in value.to_str().ok()?.rsplit(',') {
            let address = parse_address(part.trim())?;
            found = Some(address);
            if !(real_ip.recursive && contains(&real_ip.from, address)) {
                return found;
            }
        }
    }
    found
}

/// An address, with or without port.
fn parse_address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    bare.unwrap_or(text)
        .parse()
        .ok()
        .or_else(|| {
            text.parse()
                .ok()
                .map(|socket: std::net::SocketAddr| socket.ip())
        })
        .map(super::request::client_address)
}

fn contains(nets: &[IpNet], address: IpAddr) -> bool {
    nets.iter().any(|net| net.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Method, Version};

    fn head(fields: &[(&'static str, &'static str)]) -> RequestHead {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        RequestHead {
            method: Method::GET,
            version: Version::HTTP_11,
            scheme: Scheme::Http,
            raw_target: "/".into(),
            path: "/".into(),
            routed_path: None,
            query: None,
            host: "a.com".into(),
            authority: "a.com:81".into(),
            headers,
            peer: "10.0.0.9:5000".parse().unwrap(),
            relay: None,
            local: "10.0.0.1:9080".parse().unwrap(),
            client_ip: "10.0.0.9".parse().unwrap(),
            client_port: 1,
            body: weir_plugin_api::RequestBody::default(),
        }
    }

    fn value<'h>(head: &'h RequestHead, name: &str) -> &'h str {
        head.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    fn trusted(net: &str) -> Vec<IpNet> {
        vec![net.parse().unwrap()]
    }

    #[test]
    fn without_a_list_the_chain_is_kept_and_the_rest_observed() {
        let mut head = head(&[
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "evil"),
            ("forwarded", "for=1.1.1.1"),
        ]);
        observe(&mut head, &RealIp::default(), None);
        finish(&mut head);
        assert_eq!(value(&head, "x-forwarded-for"), "1.1.1.1, 10.0.0.9");
        assert_eq!(value(&head, "x-forwarded-proto"), "http");
        assert_eq!(value(&head, "x-forwarded-host"), "a.com");
        assert_eq!(value(&head, "x-forwarded-port"), "9080");
        assert_eq!(value(&head, "x-real-ip"), "10.0.0.9");
        assert!(!head.headers.contains_key("forwarded"));
    }

    #[test]
    fn trusted_peer_keeps_its_own_words() {
        let mut head = head(&[
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-proto", "https"),
        ]);
        observe(&mut head, &RealIp::default(), Some(&trusted("10.0.0.0/8")));
        finish(&mut head);
        assert_eq!(value(&head, "x-forwarded-for"), "1.1.1.1, 10.0.0.9");
        assert_eq!(value(&head, "x-forwarded-proto"), "https");
    }

    #[test]
    fn untrusted_peer_loses_its_chain() {
        let mut head = head(&[("x-forwarded-for", "1.1.1.1")]);
        observe(
            &mut head,
            &RealIp::default(),
            Some(&trusted("192.168.0.0/16")),
        );
        finish(&mut head);
        assert_eq!(value(&head, "x-forwarded-for"), "10.0.0.9");
    }

    #[test]
    fn client_address_comes_from_believed_peers_only() {
        let from = |net: &str, recursive| RealIp {
            header: FORWARDED_FOR,
            from: trusted(net),
            recursive,
        };
        let chain = [("x-forwarded-for", "9.9.9.9, 10.0.0.7")];
        let mut believed = head(&chain);
        observe(&mut believed, &from("10.0.0.0/8", true), None);
        assert_eq!(believed.client_ip.to_string(), "9.9.9.9");
        let mut last = head(&chain);
        observe(&mut last, &from("10.0.0.0/8", false), None);
        assert_eq!(last.client_ip.to_string(), "10.0.0.7");
        let mut stranger = head(&chain);
        observe(&mut stranger, &from("172.16.0.0/12", true), None);
        assert_eq!(stranger.client_ip.to_string(), "10.0.0.9");
    }
}
