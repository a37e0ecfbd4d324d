//! The endpoints of one service, in normal form.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Map;
use sha2::{Digest, Sha256};

use crate::upstream::Node;

/// Endpoints that one service may have. A registry that answers more is not believed: cutting the
/// list would drop endpoints in silence.
pub const MAX_ENDPOINTS: usize = 20_000;

/// One address found in a registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Endpoint {
    /// Address or name; IPv6 without brackets.
    pub host: String,
    /// Port; `None` is the default of the scheme.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Share of the traffic.
    pub weight: u32,
    /// Larger first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: i32,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Where in the region it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_zero(priority: &i32) -> bool {
    *priority == 0
}

impl Endpoint {
    /// An endpoint of weight 1 without further facts.
    #[must_use]
    pub fn new(host: impl Into<String>, port: Option<u16>) -> Self {
        Self {
            host: host.into(),
            port,
            weight: 1,
            priority: 0,
            region: None,
            zone: None,
        }
    }

    /// As a node of an upstream; `port` replaces the registered one.
    #[must_use]
    pub fn to_node(&self, port: Option<u16>) -> Node {
        let mut metadata = Map::new();
        for (name, value) in [("region", &self.region), ("zone", &self.zone)] {
            if let Some(value) = value {
                metadata.insert(name.to_owned(), value.as_str().into());
            }
        }
        Node {
            host: self.host.clone(),
            address: None,
            port: port.or(self.port),
            weight: self.weight,
            priority: self.priority,
            metadata,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.host.contains(':'), self.port) {
            (true, Some(port)) => write!(f, "[{}]:{port}", self.host),
            (false, Some(port)) => write!(f, "{}:{port}", self.host),
            (_, None) => f.write_str(&self.host),
        }
    }
}

/// Names the content of a set: equal hashes, equal endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointHash(u128);

impl fmt::Display for EndpointHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for EndpointHash {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16).map(Self)
    }
}

/// More endpoints than a service may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected at most {MAX_ENDPOINTS} endpoints, got {0}")]
pub struct TooMany(pub usize);

/// The endpoints of one service: sorted by address, each address once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSet {
    endpoints: Vec<Endpoint>,
    hash: EndpointHash,
}

impl Default for EndpointSet {
    fn default() -> Self {
        Self::from_sorted(Vec::new())
    }
}

impl EndpointSet {
    /// Normalises what a registry said: addresses in one spelling, what is no address left out, of
    /// two entries for one address the one with the larger priority and weight.
    ///
    /// # Errors
    /// When there are too many.
    pub fn new(endpoints: impl IntoIterator<Item = Endpoint>) -> Result<Self, TooMany> {
        let mut found: BTreeMap<(String, Option<u16>), Endpoint> = BTreeMap::new();
        for mut endpoint in endpoints {
            let Some(host) = normal_host(&endpoint.host) else {
                continue;
            };
            endpoint.host.clone_from(&host);
            let place = (host, endpoint.port);
            let better = found.get(&place).is_none_or(|known| {
                (known.priority, known.weight) < (endpoint.priority, endpoint.weight)
            });
            if better {
                found.insert(place, endpoint);
            }
        }
        if found.len() > MAX_ENDPOINTS {
            return Err(TooMany(found.len()));
        }
        Ok(Self::from_sorted(found.into_values().collect()))
    }

    fn from_sorted(endpoints: Vec<Endpoint>) -> Self {
        let mut hasher = Sha256::new();
        for endpoint in &endpoints {
            // Serialising plain fields cannot fail.
            let bytes = serde_json::to_vec(endpoint).unwrap_or_default();
            hasher.update(&bytes);
            hasher.update([0]);
        }
        let digest = hasher.finalize();
        let hash = digest
            .iter()
            .take(16)
            .fold(0_u128, |hash, byte| hash << 8 | u128::from(*byte));
        Self {
            endpoints,
            hash: EndpointHash(hash),
        }
    }

    /// The endpoints, sorted by host and port.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.endpoints.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }

    /// Names the content.
    #[must_use]
    pub fn hash(&self) -> EndpointHash {
        self.hash
    }

    /// These endpoints and those of `other` at addresses that are not here.
    #[must_use]
    pub fn with_missing_of(&self, other: &Self) -> Self {
        let all = self
            .endpoints
            .iter()
            .map(|endpoint| (place(endpoint), endpoint));
        let mut places: BTreeMap<_, _> = all.collect();
        for endpoint in &other.endpoints {
            places.entry(place(endpoint)).or_insert(endpoint);
        }
        Self::from_sorted(places.into_values().cloned().collect())
    }
}

fn place(endpoint: &Endpoint) -> (&str, Option<u16>) {
    (&endpoint.host, endpoint.port)
}

/// One spelling of an address or name; `None` for what is neither.
fn normal_host(host: &str) -> Option<String> {
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let host = bare.unwrap_or(host).trim_end_matches('.');
    if let Ok(address) = host.parse::<IpAddr>() {
        return Some(address.to_string());
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let fits = (1..=253).contains(&host.len()) && host.bytes().all(plain);
    fits.then(|| host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn endpoint(host: &str, port: u16, weight: u32) -> Endpoint {
        Endpoint {
            weight,
            ..Endpoint::new(host, Some(port))
        }
    }

    fn shown(set: &EndpointSet) -> Vec<String> {
        set.endpoints().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn addresses_have_one_spelling_and_come_once() {
        let set = EndpointSet::new([
            endpoint("B.example.", 1, 1),
            endpoint("[0:0::1]", 2, 1),
            endpoint("10.0.0.2", 80, 1),
            endpoint("10.0.0.2", 80, 5),
            endpoint("b.example", 1, 1),
        ])
        .unwrap();
        assert_eq!(shown(&set), ["10.0.0.2:80", "[::1]:2", "b.example:1"]);
        assert_eq!(set.endpoints()[0].weight, 5);
    }

    #[test]
    fn what_is_no_address_is_left_out() {
        let hosts = [
            "",
            "a b",
            "a/b",
            "http://x",
            "\u{e4}",
            "a\r\nb",
            &"x".repeat(254),
        ];
        let set = EndpointSet::new(hosts.map(|host| Endpoint::new(host, Some(1)))).unwrap();
        assert!(set.is_empty(), "{:?}", shown(&set));
    }

    #[test]
    fn too_many_are_refused_and_not_cut() {
        let many = (0..=MAX_ENDPOINTS).map(|n| Endpoint::new(format!("h{n}"), None));
        assert_eq!(EndpointSet::new(many), Err(TooMany(MAX_ENDPOINTS + 1)));
    }

    #[test]
    fn missing_addresses_are_taken_from_the_other_set() {
        let now = EndpointSet::new([endpoint("a", 1, 9), endpoint("c", 1, 1)]).unwrap();
        let before = EndpointSet::new([endpoint("a", 1, 1), endpoint("b", 1, 1)]).unwrap();
        let both = now.with_missing_of(&before);
        assert_eq!(shown(&both), ["a:1", "b:1", "c:1"]);
        assert_eq!(both.endpoints()[0].weight, 9);
        let again = EndpointSet::new(both.endpoints().iter().cloned()).unwrap();
        assert_eq!(again, both);
    }

    #[test]
    fn hashes_survive_text() {
        let hash = EndpointSet::default().hash();
        assert_eq!(hash.to_string().parse(), Ok(hash));
    }

    proptest! {
        #[test]
        fn order_does_not_matter_and_content_does(
            mut entries in prop::collection::vec((0..20_u8, 1..3_u16, 0..3_u32), 0..12)
        ) {
            let set = |entries: &[(u8, u16, u32)]| {
                let all = entries.iter().map(|(h, port, w)| endpoint(&format!("h{h}"), *port, *w));
                EndpointSet::new(all).unwrap()
            };
            let before = set(&entries);
            entries.reverse();
            prop_assert_eq!(before.hash(), set(&entries).hash());
            let mut more: Vec<_> = before.endpoints().to_vec();
            more.push(Endpoint::new("another", None));
            prop_assert_ne!(EndpointSet::new(more).unwrap().hash(), before.hash());
        }
    }
}
