//! Batches as messages of Kafka.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use weir_plugin_api::outside::{KafkaCluster, KafkaLogin, KafkaMechanism, KafkaRecord, Outside};

use super::config::{Broker, Config, Mechanism, SaslConfig};
use crate::logging::{Delivery, Sender};

/// Sends each batch as one message.
pub(crate) struct Producer {
    pub(crate) cluster: Arc<KafkaCluster>,
    pub(crate) topic: String,
    pub(crate) key: Option<Bytes>,
    /// Whether a batch is one entry and no list.
    pub(crate) is_single: bool,
}

impl Sender<String> for Producer {
    fn send(&self, outside: &Arc<dyn Outside>, batch: &[String]) -> Delivery {
        let record = KafkaRecord {
            topic: self.topic.clone(),
            key: self.key.clone(),
            value: message(batch, self.is_single),
        };
        let sent = outside.kafka(&self.cluster, record);
        Box::pin(async move { Ok(sent.await.map_err(|error| error.to_string())?) })
    }
}

/// Entries, which are JSON already, as a list; a single one as it is.
pub(super) fn message(batch: &[String], is_single: bool) -> Bytes {
    match batch {
        [entry] if is_single => Bytes::from(entry.clone()),
        batch => Bytes::from(format!("[{}]", batch.join(","))),
    }
}

/// The cluster of a configuration.
///
/// # Errors
/// What of it cannot be done.
pub(crate) fn cluster(config: &Config) -> Result<KafkaCluster, String> {
    if config.tls.is_some() {
        return Err(
            "tls: brokers are reached without TLS only in this release (its Kafka client would bring a second TLS \
             provider)"
                .into(),
        );
    }
    let listed = config.broker_list.iter().flatten();
    let listed = listed.map(|(host, port)| Broker {
        host: host.clone(),
        port: *port,
        sasl_config: None,
    });
    let brokers: Vec<Broker> = match &config.brokers {
        Some(brokers) => brokers.clone(),
        None => listed.collect(),
    };
    let logins = brokers.iter().map(|broker| &broker.sasl_config);
    let login = logins.clone().next().cloned().flatten();
    if logins.into_iter().any(|other| *other != login) {
        return Err("brokers: expected the same sasl_config for all of them".into());
    }
    let place = |broker: Broker| (broker.host, broker.port);
    Ok(KafkaCluster {
        brokers: brokers.into_iter().map(place).collect(),
        login: login.map(self::login),
        timeout: Duration::from_secs(config.timeout),
        refresh: Duration::from_secs(config.meta_refresh_interval),
        number: config.cluster_name,
    })
}

fn login(config: SaslConfig) -> KafkaLogin {
    KafkaLogin {
        mechanism: match config.mechanism {
            Mechanism::Plain => KafkaMechanism::Plain,
            Mechanism::ScramSha256 => KafkaMechanism::ScramSha256,
            Mechanism::ScramSha512 => KafkaMechanism::ScramSha512,
        },
        user: config.user,
        password: config.password,
    }
}
