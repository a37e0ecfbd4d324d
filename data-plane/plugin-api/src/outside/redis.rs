//! Redis, as the plugins that count across agents use it: one script in one round trip.

use std::time::Duration;

use bytes::Bytes;

/// Where the data is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RedisAddress {
    /// One server: host and port.
    Single(String, u16),
    /// Some nodes of a cluster, from which the others are learnt.
    Cluster(Vec<(String, u16)>),
    /// Sentinels that know the primary of this name.
    Sentinel {
        /// Host and port of each sentinel.
        sentinels: Vec<(String, u16)>,
        /// Name of the monitored primary.
        primary: String,
        /// User at the sentinels themselves.
        username: Option<String>,
        /// Password at the sentinels themselves.
        password: Option<String>,
    },
}

/// One Redis, as configured. Connections are shared by all that are equal.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RedisServer {
    /// Where it is.
    pub address: RedisAddress,
    /// ACL user.
    pub username: Option<String>,
    /// Password.
    pub password: Option<String>,
    /// Number of the database; a cluster has only 0.
    pub database: u32,
    /// TLS, and whether the certificate is verified.
    pub tls: Option<bool>,
    /// To connect, and for each call.
    pub timeout: Duration,
}

impl std::fmt::Debug for RedisServer {
    /// Shows neither user nor password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisServer")
            .field("address", &self.address)
            .field("database", &self.database)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

/// A script with its input.
#[derive(Debug, Clone)]
pub struct RedisCall {
    /// Lua source; servers know it by its digest after the first call.
    pub script: &'static str,
    /// `KEYS`; in a cluster all of them must belong to one slot.
    pub keys: Vec<String>,
    /// `ARGV`.
    pub args: Vec<String>,
}

/// What a script returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisValue {
    /// Nothing.
    Nil,
    /// A number; Redis cuts fractions off.
    Integer(i64),
    /// Bytes.
    Text(Bytes),
    /// Several values.
    List(Vec<RedisValue>),
}

impl RedisValue {
    /// The number that it is, or that its text says.
    #[must_use]
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            RedisValue::Integer(number) => Some(*number),
            RedisValue::Text(text) => std::str::from_utf8(text).ok()?.parse().ok(),
            RedisValue::Nil | RedisValue::List(_) => None,
        }
    }

    /// The numbers of a list; a single number is a list of one.
    #[must_use]
    pub fn as_integers(&self) -> Option<Vec<i64>> {
        match self {
            RedisValue::List(values) => values.iter().map(RedisValue::as_integer).collect(),
            single => single.as_integer().map(|number| vec![number]),
        }
    }
}
