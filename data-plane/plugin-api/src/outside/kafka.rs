//! Kafka, as log shippers use it: records to a topic.

use std::time::Duration;

use bytes::Bytes;

/// How a client proves who it is (SASL).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KafkaMechanism {
    /// The password as it is.
    Plain,
    /// Salted challenge and response, SHA-256.
    ScramSha256,
    /// The same with SHA-512.
    ScramSha512,
}

/// Who a client is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KafkaLogin {
    /// How it proves it.
    pub mechanism: KafkaMechanism,
    /// User.
    pub user: String,
    /// Password.
    pub password: String,
}

impl std::fmt::Debug for KafkaLogin {
    /// Shows neither user nor password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaLogin")
            .field("mechanism", &self.mechanism)
            .finish_non_exhaustive()
    }
}

/// A cluster, as configured. Connections are shared by all that are equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KafkaCluster {
    /// Brokers from which the others are learnt.
    pub brokers: Vec<(String, u16)>,
    /// Who the client is, where brokers ask.
    pub login: Option<KafkaLogin>,
    /// For a record, from the connection to the acknowledgement.
    pub timeout: Duration,
    /// How long what was learnt of topics holds.
    pub refresh: Duration,
    /// Tells clients of the same cluster apart, for those who want several of them.
    pub number: u32,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaRecord {
    /// Where to.
    pub topic: String,
    /// Chooses the partition; without one they take turns.
    pub key: Option<Bytes>,
    /// What.
    pub value: Bytes,
}
