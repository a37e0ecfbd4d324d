//! What upstreams call a name, and what is asked for it. Pure.

use std::net::IpAddr;

use hickory_resolver::proto::rr::Name;

use crate::Error;

/// A service as an upstream names it: `HOST` or `HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) host: Host,
    /// Wins over the port of SRV records.
    pub(super) port: Option<u16>,
}

/// Where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    /// Nothing needs to be asked.
    Address(IpAddr),
    Name(Name),
}

impl Service {
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let wrong = |what: &str| {
            Error::config(format!(
                "service_name: expected HOST or HOST:PORT, got {text:?}: {what}"
            ))
        };
        let bare = text.parse::<IpAddr>().is_ok();
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !bare && !text.ends_with(']') => {
                let port = port.parse().ok().filter(|port: &u16| *port > 0);
                (host, Some(port.ok_or_else(|| wrong("not a port"))?))
            }
            _ => (text, None),
        };
        let inside = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        if let Ok(address) = inside.unwrap_or(host).parse() {
            let host = Host::Address(address);
            return Ok(Self { host, port });
        }
        let name = Name::from_str_relaxed(host).map_err(|error| wrong(&error.to_string()))?;
        if name.num_labels() == 0 {
            return Err(wrong("no host"));
        }
        let host = Host::Name(name);
        Ok(Self { host, port })
    }
}

/// The full names that are tried for `name`, in their order: as it is and behind it each domain of
/// the search list, the name alone first when it has at least `ndots` dots.
pub(super) fn candidates(name: &Name, search: &[Name], ndots: usize) -> Vec<Name> {
    let mut alone = name.clone();
    alone.set_fqdn(true);
    if name.is_fqdn() {
        return vec![alone];
    }
    let dots = usize::from(name.num_labels()).saturating_sub(1);
    let longer = search
        .iter()
        .filter_map(|domain| name.clone().append_domain(domain).ok());
    let mut names: Vec<Name> = longer
        .map(|mut name| {
            name.set_fqdn(true);
            name
        })
        .collect();
    let place = if dots >= ndots { 0 } else { names.len() };
    names.insert(place, alone);
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let service = Service::parse(text).unwrap();
        let host = match service.host {
            Host::Address(address) => format!("address {address}"),
            Host::Name(name) => name.to_string(),
        };
        format!("{host} {:?}", service.port)
    }

    #[test]
    fn services_are_names_or_addresses_with_or_without_port() {
        assert_eq!(shown("web.example"), "web.example None");
        assert_eq!(shown("web.example.:81"), "web.example. Some(81)");
        assert_eq!(
            shown("_http._tcp.a_b.example"),
            "_http._tcp.a_b.example None"
        );
        assert_eq!(shown("10.0.0.1:81"), "address 10.0.0.1 Some(81)");
        assert_eq!(shown("::1"), "address ::1 None");
        assert_eq!(shown("[::1]:81"), "address ::1 Some(81)");
        assert_eq!(shown("[::1]"), "address ::1 None");
        for wrong in [
            "",
            ".",
            "web:",
            "web:0",
            "web:http",
            "we b",
            "a..b",
            ":80",
            &"a".repeat(64),
        ] {
            let error = Service::parse(wrong).unwrap_err().to_string();
            assert!(
                error.starts_with("service_name: expected HOST"),
                "{wrong:?}: {error}"
            );
        }
    }

    #[test]
    fn names_with_few_dots_are_searched_for() {
        let name = |text: &str| Name::from_str_relaxed(text).unwrap();
        let search = [name("a.example"), name("example")];
        let tried = |text, ndots| -> Vec<String> {
            let names = candidates(&name(text), &search, ndots);
            names.iter().map(ToString::to_string).collect()
        };
        assert_eq!(tried("web.", 1), ["web."]);
        assert_eq!(tried("web", 1), ["web.a.example.", "web.example.", "web."]);
        assert_eq!(
            tried("web.x", 1),
            ["web.x.", "web.x.a.example.", "web.x.example."]
        );
        assert_eq!(
            tried("web.x", 5),
            ["web.x.a.example.", "web.x.example.", "web.x."]
        );
    }
}
