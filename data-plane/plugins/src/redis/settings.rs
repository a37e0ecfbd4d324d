//! The settings that all plugins with a redis policy have.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use weir_plugin_api::outside::{RedisAddress, RedisServer};

/// Where counts are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// In the memory of each agent.
    #[default]
    Local,
    /// In one redis.
    Redis,
    /// In a redis cluster.
    RedisCluster,
    /// In a redis behind sentinels.
    RedisSentinel,
}

/// Settings of the redis policies. What a policy needs is required by the schema.
///
/// `redis_keepalive_pool`, `redis_keepalive_timeout` and `redis_cluster_name` tune and name pools of
/// connections; one connection carries all calls of an agent here, so they have no part.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RedisSettings {
    /// Name or address.
    pub redis_host: Option<String>,
    /// Port, 1 to 65535.
    pub redis_port: u16,
    /// ACL user.
    pub redis_username: Option<String>,
    /// Password.
    pub redis_password: Option<String>,
    /// Number of the database.
    pub redis_database: u32,
    /// Whether TLS is spoken.
    pub redis_ssl: bool,
    /// Whether the certificate must be trusted and fit the name.
    pub redis_ssl_verify: bool,
    /// Milliseconds to connect, and for each call, 1 or more.
    pub redis_timeout: u64,
    /// Some nodes of the cluster, `HOST:PORT`.
    pub redis_cluster_nodes: Vec<String>,
    /// Whether TLS is spoken to the nodes of the cluster.
    pub redis_cluster_ssl: bool,
    /// Whether their certificates must be trusted and fit the name.
    pub redis_cluster_ssl_verify: bool,
    /// Sentinels.
    pub redis_sentinels: Vec<Sentinel>,
    /// Name of the primary that the sentinels know.
    pub redis_master_name: Option<String>,
    /// Which server behind the sentinels; only the master takes writes.
    pub redis_role: Role,
    /// Milliseconds to connect to a primary behind sentinels.
    pub redis_connect_timeout: u64,
    /// Milliseconds for each call to a primary behind sentinels.
    pub redis_read_timeout: u64,
    /// User at the sentinels.
    pub sentinel_username: Option<String>,
    /// Password at the sentinels.
    pub sentinel_password: Option<String>,
}

impl Default for RedisSettings {
    fn default() -> Self {
        Self {
            redis_host: None,
            redis_port: 6379,
            redis_username: None,
            redis_password: None,
            redis_database: 0,
            redis_ssl: false,
            redis_ssl_verify: false,
            redis_timeout: 1000,
            redis_cluster_nodes: Vec::new(),
            redis_cluster_ssl: false,
            redis_cluster_ssl_verify: false,
            redis_sentinels: Vec::new(),
            redis_master_name: None,
            redis_role: Role::Master,
            redis_connect_timeout: 1000,
            redis_read_timeout: 1000,
            sentinel_username: None,
            sentinel_password: None,
        }
    }
}

/// Which server behind sentinels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The one that takes writes.
    Master,
    /// One that does not.
    Slave,
}

/// A sentinel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sentinel {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl std::fmt::Debug for RedisSettings {
    /// Shows neither users nor passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisSettings")
            .field("redis_host", &self.redis_host)
            .field("redis_port", &self.redis_port)
            .field("redis_cluster_nodes", &self.redis_cluster_nodes)
            .field("redis_sentinels", &self.redis_sentinels)
            .finish_non_exhaustive()
    }
}

impl RedisSettings {
    /// The server that a policy names; `None` is no server, but the agent itself.
    ///
    /// # Errors
    /// What cannot work.
    pub(crate) fn server(&self, policy: Policy) -> Result<Option<RedisServer>, String> {
        let required = |name: &str, value: &Option<String>| {
            let value = value.clone();
            value.ok_or_else(|| format!("{name} is required"))
        };
        let tls = |on: bool, verify: bool| on.then_some(verify);
        let timeout = |ms: u64| Duration::from_millis(ms.max(1));
        let (address, tls, database, timeout) = match policy {
            Policy::Local => return Ok(None),
            Policy::Redis => (
                RedisAddress::Single(required("redis_host", &self.redis_host)?, self.redis_port),
                tls(self.redis_ssl, self.redis_ssl_verify),
                self.redis_database,
                timeout(self.redis_timeout),
            ),
            Policy::RedisCluster => (
                RedisAddress::Cluster(self.cluster()?),
                tls(self.redis_cluster_ssl, self.redis_cluster_ssl_verify),
                0,
                timeout(self.redis_timeout),
            ),
            Policy::RedisSentinel => {
                if self.redis_role == Role::Slave {
                    return Err(
                        "redis_role slave cannot count, since it takes no writes: use master"
                            .into(),
                    );
                }
                let sentinels = self.redis_sentinels.iter();
                let sentinels = sentinels.map(|at| (at.host.clone(), at.port));
                (
                    RedisAddress::Sentinel {
                        sentinels: sentinels.collect(),
                        primary: required("redis_master_name", &self.redis_master_name)?,
                        username: self.sentinel_username.clone(),
                        password: self.sentinel_password.clone(),
                    },
                    None,
                    self.redis_database,
                    timeout(self.redis_connect_timeout).max(timeout(self.redis_read_timeout)),
                )
            }
        };
        Ok(Some(RedisServer {
            address,
            username: self.redis_username.clone(),
            password: self.redis_password.clone(),
            database,
            tls,
            timeout,
        }))
    }

    fn cluster(&self) -> Result<Vec<(String, u16)>, String> {
        let nodes = self.redis_cluster_nodes.iter().enumerate();
        let nodes = nodes.map(|(position, node)| {
            let parts = node.rsplit_once(':');
            let parts = parts.and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
            let host = |host: &str| {
                host.trim_start_matches('[')
                    .trim_end_matches(']')
                    .to_owned()
            };
            match parts.map(|(name, port)| (host(name), port)) {
                Some((host, port)) if !host.is_empty() && port > 0 => Ok((host, port)),
                _ => Err(format!(
                    "redis_cluster_nodes[{position}] must be HOST:PORT, got {node:?}"
                )),
            }
        });
        nodes.collect()
    }
}
