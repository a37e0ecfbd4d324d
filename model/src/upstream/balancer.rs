//! How a node is chosen.

use std::time::Duration;

use serde::Deserialize;

use crate::field::template::Template;
use crate::field::timeout;
use crate::field::variable::Variable;

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
    /// A variable; headers, cookies and the consumer's name are variables too.
    Variable(Variable),
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

impl Balancer {
    /// Name as in documents.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Balancer::RoundRobin => "roundrobin",
            Balancer::ConsistentHash(_) => "chash",
            Balancer::LeastConn => "least_conn",
            Balancer::Ewma => "ewma",
            Balancer::Chained { .. } => "chrr",
            Balancer::Unknown(name) => name,
        }
    }

    /// Whether the choice depends on the body of the request.
    #[must_use]
    pub fn reads_body(&self) -> bool {
        match self {
            Balancer::ConsistentHash(key) | Balancer::Chained { key, .. } => match key {
                HashKey::Variable(variable) => variable.is_of_body(),
                HashKey::Combination(text) => text.variables().any(Variable::is_of_body),
            },
            _ => false,
        }
    }
}

impl HashKey {
    /// Without a key the client address is hashed.
    fn from_parts(hash_on: &str, key: Option<String>) -> Self {
        let Some(key) = key.filter(|key| !key.is_empty()) else {
            let name = match hash_on {
                "consumer" => "consumer_name",
                _ => "remote_addr",
            };
            return HashKey::Variable(Variable::parse(name));
        };
        HashKey::Variable(match hash_on {
            "vars_combinations" => return HashKey::Combination(Template::parse(&key)),
            "header" => Variable::header(&key),
            "cookie" => Variable::cookie(&key),
            "consumer" => Variable::parse("consumer_name"),
            _ => Variable::parse(&key),
        })
    }
}
