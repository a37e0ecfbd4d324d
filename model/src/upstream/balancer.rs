//! How a node is chosen.

use std::time::Duration;

use serde::Deserialize;

use crate::alias;
use crate::field::template::Template;
use crate::field::timeout;

/// A balancing algorithm with its settings.
#[derive(Debug, Clone, PartialEq)]
pub enum Balancer {
    /// Weighted round robin (`roundrobin`, `weighted_round_robin`).
    RoundRobin,
    /// Ring of hashes (`chash`).
    ConsistentHash(HashKey),
    /// Fewest requests in flight per weight.
    LeastConn,
    /// The faster of two random nodes.
    Ewma,
    /// Round robin for the first request of a session, the same node for later ones (`chrr`).
    Chained {
        /// What a session is.
        key: HashKey,
        /// How long it sticks.
        conf: ChainedRoundRobin,
    },
    /// A name that is not known. Stored, as in APISIX; requests cannot be balanced.
    Unknown(String),
}

/// What is hashed.
#[derive(Debug, Clone, PartialEq)]
pub enum HashKey {
    /// A variable by name.
    Variable(String),
    /// A request header, name in lower case.
    Header(String),
    /// A cookie.
    Cookie(String),
    /// The name of the consumer.
    Consumer,
    /// A text with variables.
    Combination(Template),
}

/// How long a session of [`Balancer::Chained`] keeps to a failing node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ChainedRoundRobin {
    /// Time since the first failure; also how long an idle session is remembered.
    #[serde(deserialize_with = "timeout::seconds")]
    pub retry_timeout: Duration,
    /// Failures in a row.
    pub max_retry_times: u32,
}

impl Default for ChainedRoundRobin {
    fn default() -> Self {
        Self {
            retry_timeout: Duration::from_secs(300),
            max_retry_times: 3,
        }
    }
}

impl Balancer {
    pub(super) fn from_parts(
        name: String,
        hash_on: &str,
        key: Option<String>,
        conf: Option<ChainedRoundRobin>,
    ) -> Self {
        match name.as_str() {
            "roundrobin" | "weighted_round_robin" => Balancer::RoundRobin,
            "chash" => Balancer::ConsistentHash(HashKey::from_parts(hash_on, key)),
            "least_conn" => Balancer::LeastConn,
            "ewma" => Balancer::Ewma,
            "chrr" => Balancer::Chained {
                key: HashKey::from_parts(hash_on, key),
                conf: conf.unwrap_or_default(),
            },
            _ => Balancer::Unknown(name),
        }
    }
}

impl HashKey {
    /// Without a key the client address is hashed.
    fn from_parts(hash_on: &str, key: Option<String>) -> Self {
        let Some(key) = key.filter(|key| !key.is_empty()) else {
            return match hash_on {
                "consumer" => HashKey::Consumer,
                _ => HashKey::Variable("remote_addr".to_owned()),
            };
        };
        match hash_on {
            "header" => HashKey::Header(key.to_ascii_lowercase()),
            "cookie" => HashKey::Cookie(key),
            "consumer" => HashKey::Consumer,
            "vars_combinations" => HashKey::Combination(Template::parse(&key)),
            _ => HashKey::Variable(alias::variable(&key).into_owned()),
        }
    }
}
