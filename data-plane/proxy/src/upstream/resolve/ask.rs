//! One question to a resolver, and how long its answer holds.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig,
    ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::{Resolver as Builder, TokioResolver};
use weir_model::endpoint::Lookup;
use weir_model::field::resolver;
use weir_model::upstream::Upstream;

/// An answer holds at least this long, whatever its record says.
const FLOOR: Duration = Duration::from_secs(1);
/// And at most this long.
const CEILING: Duration = Duration::from_secs(3600);
/// When nothing says how long.
const UNTOLD: Duration = Duration::from_secs(30);
/// A name that does not resolve is asked for again after this long, or what the zone says, but not
/// later than [`NEGATIVE_CEILING`].
const NEGATIVE: Duration = Duration::from_secs(1);
const NEGATIVE_CEILING: Duration = Duration::from_secs(30);
/// How long one server is waited for, and how often it is asked.
const PATIENCE: (Duration, usize) = (Duration::from_secs(2), 2);
/// How long one question may take.
const QUESTION: Duration = Duration::from_secs(10);

/// Where the names of an upstream are asked for, and how long answers hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Source {
    /// Servers; none means the resolver of the system, with its hosts file and search list.
    servers: Arc<[SocketAddr]>,
    /// Life of an answer in place of the record's.
    ttl: Option<Duration>,
}

impl Source {
    /// `dns_resolver` and `dns_ttl` of an upstream; both were checked when it was written.
    #[must_use]
    pub fn of(config: &Upstream) -> Self {
        Self::new(&config.dns_resolver, config.dns_ttl)
    }

    /// The same of a lookup of a name.
    pub(super) fn of_lookup(name: &Lookup) -> Self {
        Self::new(&name.resolvers, name.ttl)
    }

    fn new(resolvers: &[String], ttl: Option<Duration>) -> Self {
        let servers = resolvers.iter();
        Self {
            servers: servers.filter_map(|text| resolver::address(text)).collect(),
            ttl,
        }
    }

    /// How long an answer holds whose record says this.
    fn life(&self, record: Option<Duration>) -> Duration {
        let told = self.ttl.or(record).unwrap_or(UNTOLD);
        told.clamp(FLOOR, CEILING)
    }
}

/// The addresses of one family: IPv4 as APISIX has it, which asks for AAAA only where there is no A;
/// IPv6 when this host can reach none of the IPv4 ones. Both at once would give a machine that has
/// two addresses two shares of the traffic, and a second state of health.
pub(super) fn one_family(found: Vec<IpAddr>, has_route: impl Fn(&IpAddr) -> bool) -> Vec<IpAddr> {
    let (four, six): (Vec<IpAddr>, Vec<IpAddr>) = found.into_iter().partition(IpAddr::is_ipv4);
    if six.is_empty() {
        return four;
    }
    let six_alone = !four.iter().any(&has_route) && six.iter().any(&has_route);
    if four.is_empty() || six_alone {
        six
    } else {
        four
    }
}

/// Whether the kernel knows a way to an address; nothing is sent.
pub(super) fn has_route(address: &IpAddr) -> bool {
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let discard = SocketAddr::new(*address, 9);
    UdpSocket::bind((any, 0)).is_ok_and(|socket| socket.connect(discard).is_ok())
}

/// What came of a question.
#[derive(Debug)]
pub(super) struct Outcome {
    /// Addresses; none when the name does not resolve.
    pub(super) found: Vec<IpAddr>,
    /// How long to wait before the next question.
    pub(super) life: Duration,
}

/// The resolvers, one for each list of servers.
#[derive(Default)]
pub(super) struct Resolvers {
    built: Mutex<HashMap<Arc<[SocketAddr]>, Option<TokioResolver>>>,
}

impl Resolvers {
    /// Asks; a failure is told in the log.
    pub(super) async fn ask(&self, name: &str, source: &Source) -> Outcome {
        let question = self.question(name, source);
        match tokio::time::timeout(QUESTION, question).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err((error, life))) => {
                tracing::warn!(%name, %error, "name of a node does not resolve");
                failed(life)
            }
            Err(_) => {
                tracing::warn!(%name, "name of a node did not resolve in time");
                failed(None)
            }
        }
    }

    async fn question(
        &self,
        name: &str,
        source: &Source,
    ) -> Result<Outcome, (String, Option<Duration>)> {
        let Some(resolver) = self.resolver(&source.servers) else {
            // The system says nothing about servers: it may still know the name.
            let found = tokio::net::lookup_host((name, 0)).await;
            let found = found.map_err(|error| (error.to_string(), None))?;
            return Ok(Outcome {
                found: found.map(|address| address.ip()).collect(),
                life: source.life(None),
            });
        };
        let answer = resolver.lookup_ip(name).await.map_err(|error| {
            let life = negative_life(&error);
            (error.to_string(), life)
        })?;
        let record = answer.valid_until().checked_duration_since(Instant::now());
        Ok(Outcome {
            found: answer.iter().collect(),
            life: source.life(Some(record.unwrap_or_default())),
        })
    }

    fn resolver(&self, servers: &Arc<[SocketAddr]>) -> Option<TokioResolver> {
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = built.get(servers) {
            return known.clone();
        }
        let resolver = build(servers);
        built.insert(Arc::clone(servers), resolver.clone());
        resolver
    }
}

fn build(servers: &[SocketAddr]) -> Option<TokioResolver> {
    let (mut builder, hosts) = if servers.is_empty() {
        let system = TokioResolver::builder_tokio()
            .inspect_err(|error| {
                tracing::warn!(%error, "cannot read the resolver settings of the system");
            })
            .ok()?;
        (system, ResolveHosts::Always)
    } else {
        let servers = servers.iter().map(server).collect();
        let config = ResolverConfig::from_name_servers(servers);
        let provider = TokioRuntimeProvider::default();
        let builder = Builder::builder_with_config(config, provider);
        (builder, ResolveHosts::Never)
    };
    set(builder.options_mut(), hosts);
    builder
        .build()
        .inspect_err(|error| tracing::warn!(%error, "cannot set up a resolver"))
        .ok()
}

fn server(address: &SocketAddr) -> NameServerConfig {
    let port = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    let connections = vec![port(ConnectionConfig::udp()), port(ConnectionConfig::tcp())];
    NameServerConfig::new(address.ip(), true, connections)
}

fn set(options: &mut ResolverOpts, hosts: ResolveHosts) {
    options.use_hosts_file = hosts;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    // Answers are kept here, with lives of their own.
    options.cache_size = 0;
    options.try_tcp_on_error = true;
    (options.timeout, options.attempts) = PATIENCE;
}

fn failed(life: Option<Duration>) -> Outcome {
    let life = life.unwrap_or(NEGATIVE);
    Outcome {
        found: Vec::new(),
        life: life.clamp(NEGATIVE, NEGATIVE_CEILING),
    }
}

/// What the zone says about a name that does not exist.
fn negative_life(error: &NetError) -> Option<Duration> {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => {
            none.negative_ttl.map(|ttl| Duration::from_secs(ttl.into()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(ttl: Option<u64>) -> Source {
        Source {
            ttl: ttl.map(Duration::from_secs),
            ..Source::default()
        }
    }

    #[test]
    fn answers_hold_as_long_as_the_record_says_within_bounds() {
        let seconds = Duration::from_secs;
        for (ttl, record, expected) in [
            (None, Some(60), 60),
            (None, Some(0), 1),
            (None, Some(86_400), 3600),
            (None, None, 30),
            (Some(5), Some(60), 5),
            (Some(0), Some(60), 1),
        ] {
            let life = source(ttl).life(record.map(seconds));
            assert_eq!(life, seconds(expected), "{ttl:?} {record:?}");
        }
        assert_eq!(failed(None).life, NEGATIVE);
        assert_eq!(failed(Some(seconds(600))).life, NEGATIVE_CEILING);
    }

    #[test]
    fn addresses_of_one_family_are_used() {
        let ip = |text: &&str| text.parse::<IpAddr>().unwrap();
        let used = |found: &[&str], reachable: &[&str]| -> Vec<String> {
            let reachable: Vec<IpAddr> = reachable.iter().map(ip).collect();
            let found = found.iter().map(ip).collect();
            let used = one_family(found, |address| reachable.contains(address));
            used.iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            used(&["::1", "10.0.0.1"], &["::1", "10.0.0.1"]),
            ["10.0.0.1"]
        );
        assert_eq!(used(&["::1", "10.0.0.1"], &["::1"]), ["::1"]);
        assert_eq!(used(&["::1", "10.0.0.1"], &[]), ["10.0.0.1"]);
        assert_eq!(used(&["::1", "::2"], &[]), ["::1", "::2"]);
        assert_eq!(
            used(&["10.0.0.2", "10.0.0.1"], &[]),
            ["10.0.0.2", "10.0.0.1"]
        );
        assert!(has_route(&ip(&"127.0.0.1")));
    }

    #[test]
    fn servers_are_read_with_and_without_port() {
        let spec = serde_json::json!({
            "nodes": {"a:1": 1}, "dns_resolver": ["10.0.0.2:5300", "::1"], "dns_ttl": 7
        });
        let source = Source::of(&Upstream::parse(&spec).unwrap());
        let expected: Vec<SocketAddr> = ["10.0.0.2:5300", "[::1]:53"]
            .map(|text| text.parse().unwrap())
            .to_vec();
        assert_eq!(&*source.servers, expected.as_slice());
        assert_eq!(source.ttl, Some(Duration::from_secs(7)));
    }
}
