//! Configuration of `kafka-logger`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::logging::{BatchOptions, EntryOptions};

/// How a client proves who it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mechanism {
    /// The password as it is.
    #[default]
    #[serde(rename = "PLAIN")]
    Plain,
    /// Challenge and response with SHA-256.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// Challenge and response with SHA-512.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
}

/// Who the client is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaslConfig {
    /// How it proves it.
    #[serde(default)]
    pub mechanism: Mechanism,
    /// User.
    pub user: String,
    /// Password.
    pub password: String,
}

impl std::fmt::Debug for SaslConfig {
    /// Does not show the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SaslConfig")
            .field("mechanism", &self.mechanism)
            .finish_non_exhaustive()
    }
}

/// A broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broker {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Who the client is there.
    #[serde(default)]
    pub sasl_config: Option<SaslConfig>,
}

/// TLS to brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tls {
    /// Whether their certificates are verified.
    #[serde(default)]
    pub verify: bool,
}

/// Whether the producer of APISIX gathers messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProducerType {
    /// It does.
    #[default]
    Async,
    /// It does not.
    Sync,
}

/// What is logged of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MetaFormat {
    /// An entry.
    #[default]
    Default,
    /// The request as HTTP.
    Origin,
}

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Brokers.
    #[serde(default)]
    pub brokers: Option<Vec<Broker>>,
    /// Brokers as hosts with ports: the old form.
    #[serde(default)]
    pub broker_list: Option<BTreeMap<String, u16>>,
    /// Topic.
    pub kafka_topic: String,
    /// Chooses the partition.
    #[serde(default)]
    pub key: Option<String>,
    /// What is logged of a request.
    #[serde(default)]
    pub meta_format: MetaFormat,
    /// Whether bounds of the producer count.
    #[serde(default)]
    pub producer_type: ProducerType,
    /// Accepted for APISIX: every record is acknowledged by all replicas that are in step.
    #[serde(default = "one")]
    pub required_acks: i8,
    /// Accepted for APISIX: client and broker agree on it.
    #[serde(default = "one_u8")]
    pub api_version: u8,
    /// Seconds that a message may take.
    #[serde(default = "three")]
    pub timeout: u64,
    /// TLS to brokers.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// Configurations with the same number share connections.
    #[serde(default = "one_u32")]
    pub cluster_name: u32,
    /// Seconds for which partitions of the topic are remembered.
    #[serde(default = "thirty")]
    pub meta_refresh_interval: u64,
    /// Accepted for APISIX: a batch is one message.
    #[serde(default = "two_hundred")]
    pub producer_batch_num: u64,
    /// Bytes of entries that make a batch leave, unless 0.
    #[serde(default = "mebibyte")]
    pub producer_batch_size: usize,
    /// Entries that wait; more are dropped.
    #[serde(default = "fifty_thousand")]
    pub producer_max_buffering: usize,
    /// Accepted for APISIX: a batch leaves at once.
    #[serde(default = "one_u64")]
    pub producer_time_linger: u64,
    /// Name of the batch processor.
    #[serde(default = "name")]
    pub name: String,
    /// What is logged.
    #[serde(flatten)]
    pub entry: EntryOptions,
    /// When it is sent.
    #[serde(flatten)]
    pub batch: BatchOptions,
}

const fn one() -> i8 {
    1
}

const fn one_u8() -> u8 {
    1
}

const fn one_u32() -> u32 {
    1
}

const fn one_u64() -> u64 {
    1
}

const fn three() -> u64 {
    3
}

const fn thirty() -> u64 {
    30
}

const fn two_hundred() -> u64 {
    200
}

const fn mebibyte() -> usize {
    1 << 20
}

const fn fifty_thousand() -> usize {
    50_000
}

fn name() -> String {
    "kafka logger".into()
}
