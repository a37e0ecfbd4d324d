//! What a stream route asks of a connection, and how routes rank (objects.md section 13).

use std::cmp::Reverse;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use weir_model::stream_route::StreamRoute;
use weir_plugin_api::StreamHead;

/// Which server names a route takes. The order is the rank: an exact name comes before wildcards,
/// a longer wildcard before a shorter one, and routes without a name come last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum NameRule {
    /// This one.
    Exact(Arc<str>),
    /// Those that end so, with something before it: `*.a.test`, `*`.
    Suffix(Reverse<usize>, Arc<str>),
    /// Any, also none.
    Any,
}

impl NameRule {
    fn of(sni: Option<&str>) -> Self {
        match sni.map(|sni| (sni, sni.strip_prefix('*'))) {
            None => Self::Any,
            Some((_, Some(suffix))) => Self::Suffix(Reverse(suffix.len()), Arc::from(suffix)),
            Some((name, None)) => Self::Exact(Arc::from(name)),
        }
    }

    /// Equal for routes between which only their age decides.
    pub(super) fn rank(&self) -> NameShape {
        match self {
            Self::Exact(_) => NameShape::Exact,
            Self::Suffix(length, _) => NameShape::Suffix(*length),
            Self::Any => NameShape::Any,
        }
    }
}

/// A [`NameRule`] without the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum NameShape {
    Exact,
    Suffix(Reverse<usize>),
    Any,
}

/// The length of a network's prefix, and whether it is one of IPv6.
pub(super) type NetShape = (bool, u8);

/// What routes have in common that are told apart by hash alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shape {
    pub(super) name: NameShape,
    port: bool,
    server: Option<NetShape>,
    remote: Option<NetShape>,
}

/// What a connection must be for a route to take it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Matcher {
    pub(super) name: NameRule,
    port: Option<u16>,
    server: Option<IpNet>,
    remote: Option<IpNet>,
}

impl Matcher {
    /// The conditions of a stream route.
    #[must_use]
    pub fn of(route: &StreamRoute) -> Self {
        Self {
            name: NameRule::of(route.sni.as_deref()),
            port: route.server_port,
            server: route.server_addr,
            remote: route.remote_addr,
        }
    }

    pub(super) fn shape(&self) -> Shape {
        let net = |net: &IpNet| (net.addr().is_ipv6(), net.prefix_len());
        Shape {
            name: self.name.rank(),
            port: self.port.is_some(),
            server: self.server.as_ref().map(net),
            remote: self.remote.as_ref().map(net),
        }
    }

    /// The matcher of this shape that takes a connection; `None` when none does.
    pub(super) fn seen(shape: Shape, head: &StreamHead) -> Option<Self> {
        let server_name = head.server_name.as_ref();
        let name = match shape.name {
            NameShape::Any => NameRule::Any,
            NameShape::Exact => NameRule::Exact(Arc::clone(server_name?)),
            NameShape::Suffix(Reverse(length)) => {
                let name = server_name?;
                let before = name
                    .len()
                    .checked_sub(length)
                    .filter(|before| *before > 0)?;
                NameRule::Suffix(Reverse(length), Arc::from(name.get(before..)?))
            }
        };
        let network = |shape: Option<NetShape>, address: IpAddr| match shape {
            None => Some(None),
            Some((is_ipv6, _)) if is_ipv6 != address.is_ipv6() => None,
            Some((_, length)) => Some(Some(IpNet::new(address, length).ok()?.trunc())),
        };
        Some(Self {
            name,
            port: shape.port.then(|| head.local.port()),
            server: network(shape.server, head.local.ip().to_canonical())?,
            remote: network(shape.remote, head.client_ip())?,
        })
    }

    /// Whether it takes a connection: the rule that the index follows.
    #[cfg(test)]
    pub(super) fn takes(&self, head: &StreamHead) -> bool {
        let name = match (&self.name, &head.server_name) {
            (NameRule::Any, _) => true,
            (NameRule::Exact(name), Some(seen)) => name == seen,
            (NameRule::Suffix(_, suffix), Some(seen)) => {
                seen.len() > suffix.len() && seen.ends_with(&**suffix)
            }
            (_, None) => false,
        };
        let inside = |net: Option<IpNet>, ip: IpAddr| net.is_none_or(|net| net.contains(&ip));
        name && self.port.is_none_or(|port| port == head.local.port())
            && inside(self.server, head.local.ip().to_canonical())
            && inside(self.remote, head.client_ip())
    }
}
