//! One question to the resolvers.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{Resolver as Builder, TokioResolver, system_conf};
use tokio::time::timeout;
use weir_model::endpoint::Lookup;
use weir_model::field::resolver;
use weir_model::registry::Dns as Config;

use super::name::candidates;
use crate::{Error, ErrorKind};

/// How often a server is asked anew that does not answer.
const ATTEMPTS: usize = 2;
/// Bound of one question with all its tries, in times of the limit of one.
const PATIENCE: u32 = 4;

/// A type of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Srv,
    A,
    Aaaa,
    Cname,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Data {
    Service(Service),
    Address(IpAddr),
    Alias(Name),
}

/// What a SRV record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    /// Smaller first.
    pub(super) priority: u16,
    pub(super) weight: u16,
    /// 0 is none.
    pub(super) port: u16,
    /// The root means that there is no such service.
    pub(super) target: Name,
}

/// Records of one type, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) data: Vec<Data>,
    /// How long they hold.
    pub(super) life: Duration,
}

/// Whoever answers questions.
pub(super) trait Ask: Sync {
    /// Records of one type; `None` when there are none, as whoever answers says himself.
    fn ask(
        &self,
        name: &Name,
        kind: Kind,
    ) -> impl Future<Output = Result<Option<Answer>, Error>> + Send;
}

/// The resolvers of one lookup.
pub(super) struct Resolver {
    resolver: TokioResolver,
    search: Vec<Name>,
    ndots: usize,
    limit: Duration,
    /// Who is asked, for messages.
    servers: String,
}

impl Resolver {
    /// Those of the lookup, else of the registry.
    pub(super) async fn new(config: &Config, lookup: &Lookup) -> Result<Self, Error> {
        let (mut servers, mut search, mut options) = match &config.resolv_conf {
            Some(path) => file(path).await?,
            None => (Vec::new(), Vec::new(), ResolverOpts::default()),
        };
        options.use_hosts_file = match config.resolv_conf {
            Some(_) => ResolveHosts::Always,
            None => ResolveHosts::Never,
        };
        let own = lookup
            .resolvers
            .iter()
            .filter_map(|text| resolver::address(text));
        let own: Vec<SocketAddr> = own.collect();
        if !own.is_empty() {
            servers = own;
            options.use_hosts_file = ResolveHosts::Never;
        } else if !config.servers.is_empty() {
            servers.clone_from(&config.servers);
        }
        if !config.search.is_empty() {
            let domains = config.search.iter().map(|domain| {
                Name::from_str_relaxed(domain)
                    .map_err(|error| Error::config(format!("search: {domain:?}: {error}")))
            });
            search = domains.collect::<Result<_, _>>()?;
        }
        let limit = Duration::from_millis(config.timeout);
        options.timeout = limit;
        options.attempts = ATTEMPTS;
        // Answers are kept by whoever watches, with lives of their own.
        options.cache_size = 0;
        options.try_tcp_on_error = true;
        let ndots = options.ndots;
        let shown: Vec<String> = servers.iter().map(ToString::to_string).collect();
        let servers = servers.iter().map(|address| server(address, config.tcp));
        let known = ResolverConfig::from_name_servers(servers.collect());
        let mut builder = Builder::builder_with_config(known, TokioRuntimeProvider::default());
        *builder.options_mut() = options;
        let resolver = builder
            .build()
            .map_err(|error| Error::config(format!("cannot set up a resolver: {error}")))?;
        Ok(Self {
            resolver,
            search,
            ndots,
            limit,
            servers: shown.join(", "),
        })
    }

    /// The full names that a name may stand for.
    pub(super) fn candidates(&self, name: &Name) -> Vec<Name> {
        candidates(name, &self.search, self.ndots)
    }
}

impl Ask for Resolver {
    async fn ask(&self, name: &Name, kind: Kind) -> Result<Option<Answer>, Error> {
        let wanted = match kind {
            Kind::Srv => RecordType::SRV,
            Kind::A => RecordType::A,
            Kind::Aaaa => RecordType::AAAA,
            Kind::Cname => RecordType::CNAME,
        };
        let limit = self.limit * PATIENCE;
        let asked = timeout(limit, self.resolver.lookup(name.clone(), wanted)).await;
        let asked = asked.map_err(|_| Error::timeout(&self.servers, limit))?;
        let found = match asked {
            Ok(found) => found,
            Err(error) => return none_or(error, name, wanted, &self.servers),
        };
        let records = found.answers().iter();
        let data: Vec<Data> = records
            .filter(|record| record.record_type() == wanted)
            .filter_map(|record| data(&record.data))
            .collect();
        let life = found.valid_until().checked_duration_since(Instant::now());
        Ok((!data.is_empty()).then(|| Answer {
            data,
            life: life.unwrap_or_default(),
        }))
    }
}

fn data(record: &RData) -> Option<Data> {
    Some(match record {
        RData::A(address) => Data::Address(IpAddr::V4(address.0)),
        RData::AAAA(address) => Data::Address(IpAddr::V6(address.0)),
        RData::CNAME(alias) => Data::Alias(alias.0.clone()),
        RData::SRV(service) => Data::Service(Service {
            priority: service.priority,
            weight: service.weight,
            port: service.port,
            target: service.target.clone(),
        }),
        _ => return None,
    })
}

/// Whether a failure says that there are no such records.
fn none_or(
    error: NetError,
    name: &Name,
    wanted: RecordType,
    servers: &str,
) -> Result<Option<Answer>, Error> {
    let kind = match &error {
        NetError::Dns(DnsError::NoRecordsFound(_)) => return Ok(None),
        NetError::Dns(DnsError::ResponseCode(code)) => match *code {
            // Old servers know addresses only.
            ResponseCode::NotImp => return Ok(None),
            ResponseCode::Refused => ErrorKind::Refused,
            _ => ErrorKind::Failed,
        },
        NetError::Timeout => ErrorKind::Timeout,
        NetError::Proto(_) | NetError::Truncated => ErrorKind::Malformed,
        _ => ErrorKind::Unreachable,
    };
    let message = format!("{wanted} of {name}: {error}");
    Err(Error::at(servers, kind, message))
}

/// Servers, search list and options of a file like `/etc/resolv.conf`.
async fn file(path: &str) -> Result<(Vec<SocketAddr>, Vec<Name>, ResolverOpts), Error> {
    let wrong = |error: &dyn std::fmt::Display| {
        Error::config(format!("resolv_conf: cannot read {path}: {error}"))
    };
    let text = tokio::fs::read(path).await.map_err(|error| wrong(&error))?;
    let (config, options) = system_conf::parse_resolv_conf(text).map_err(|error| wrong(&error))?;
    let (domain, mut search, servers) = config.into_parts();
    if search.is_empty() {
        search.extend(domain);
    }
    let servers = servers.iter().map(|server| SocketAddr::new(server.ip, 53));
    Ok((servers.collect(), search, options))
}

fn server(address: &SocketAddr, tcp_only: bool) -> NameServerConfig {
    let at = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    let mut connections = vec![at(ConnectionConfig::tcp())];
    if !tcp_only {
        connections.insert(0, at(ConnectionConfig::udp()));
    }
    NameServerConfig::new(address.ip(), true, connections)
}
