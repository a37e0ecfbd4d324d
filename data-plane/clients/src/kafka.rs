//! Records to Kafka, over kept connections.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Instant, SystemTime};

use chrono::{DateTime, Utc};
use rskafka::BackoffConfig;
use rskafka::client::partition::{Compression, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder, Credentials, SaslConfig};
use rskafka::record::Record;
use tokio::sync::Mutex;
use weir_plugin_api::outside::{CallError, KafkaCluster, KafkaMechanism, KafkaRecord};

use crate::address;

/// Clusters remembered; beyond, the one that was used longest ago is forgotten.
const MAX_CLUSTERS: usize = 64;
/// Topics remembered of each.
const MAX_TOPICS: usize = 256;

/// Connections by cluster.
#[derive(Default)]
pub(crate) struct Clusters(Mutex<HashMap<Arc<KafkaCluster>, Place>>);

struct Place {
    used: Instant,
    /// Nothing while there is no connection.
    connected: Arc<Mutex<Option<Connected>>>,
}

struct Connected {
    client: Client,
    topics: HashMap<String, Topic>,
}

struct Topic {
    learnt: Instant,
    partitions: Arc<Partitions>,
}

struct Partitions {
    clients: Vec<PartitionClient>,
    next: AtomicUsize,
}

impl Clusters {
    /// Sends a record, and waits until all replicas that are in step have it.
    pub(crate) async fn produce(
        &self,
        cluster: &Arc<KafkaCluster>,
        record: KafkaRecord,
    ) -> Result<(), CallError> {
        let place = self.place(cluster).await;
        let partitions = {
            // One at a time connects and learns; the others wait for it, each within its limit.
            let mut place = place.lock().await;
            let connected = match place.take() {
                Some(connected) => connected,
                None => connect(cluster).await?,
            };
            let connected = place.insert(connected);
            match connected.partitions(cluster, &record.topic).await {
                Ok(partitions) => partitions,
                Err(error) => {
                    *place = None;
                    return Err(error);
                }
            }
        };
        let Some(partition) = partitions.choose(record.key.as_deref()) else {
            return Err(refused(
                cluster,
                format!("topic {} has no partition", record.topic),
            ));
        };
        let record = Record {
            key: record.key.map(Into::into),
            value: Some(record.value.into()),
            headers: Default::default(),
            timestamp: DateTime::<Utc>::from(SystemTime::now()),
        };
        let done = partition
            .produce(vec![record], Compression::NoCompression)
            .await;
        match done {
            Ok(_) => Ok(()),
            Err(error) => {
                // What was learnt may be old: the next record learns anew.
                *place.lock().await = None;
                Err(refused(cluster, error))
            }
        }
    }

    async fn place(&self, cluster: &Arc<KafkaCluster>) -> Arc<Mutex<Option<Connected>>> {
        let mut known = self.0.lock().await;
        if known.len() >= MAX_CLUSTERS && !known.contains_key(cluster) {
            let oldest = known.iter().min_by_key(|(_, place)| place.used);
            if let Some(oldest) = oldest.map(|(cluster, _)| Arc::clone(cluster)) {
                known.remove(&oldest);
            }
        }
        let place = known.entry(Arc::clone(cluster)).or_insert_with(|| Place {
            used: Instant::now(),
            connected: Arc::default(),
        });
        place.used = Instant::now();
        Arc::clone(&place.connected)
    }
}

impl Connected {
    /// The partitions of a topic. One that is not there yet is asked for once: brokers may make it.
    async fn partitions(
        &mut self,
        cluster: &KafkaCluster,
        topic: &str,
    ) -> Result<Arc<Partitions>, CallError> {
        if let Some(known) = self.topics.get(topic)
            && known.learnt.elapsed() < cluster.refresh
        {
            return Ok(Arc::clone(&known.partitions));
        }
        let mut numbers = self.numbers(cluster, topic).await?;
        if numbers.is_empty() {
            self.partition(cluster, topic, 0).await?;
            numbers = self.numbers(cluster, topic).await?;
        }
        let mut clients = Vec::with_capacity(numbers.len());
        for number in numbers {
            clients.push(self.partition(cluster, topic, number).await?);
        }
        let partitions = Arc::new(Partitions {
            clients,
            next: AtomicUsize::new(0),
        });
        if self.topics.len() >= MAX_TOPICS {
            self.topics.clear();
        }
        let topic = topic.to_owned();
        let known = Topic {
            learnt: Instant::now(),
            partitions: Arc::clone(&partitions),
        };
        self.topics.insert(topic, known);
        Ok(partitions)
    }

    /// The numbers of the partitions of a topic, none when it is not there.
    async fn numbers(&self, cluster: &KafkaCluster, topic: &str) -> Result<Vec<i32>, CallError> {
        let topics = self.client.list_topics().await;
        let topics = topics.map_err(|error| lost(cluster, error))?;
        let found = topics.into_iter().find(|known| known.name == topic);
        Ok(found
            .map(|topic| topic.partitions.into_iter().collect())
            .unwrap_or_default())
    }

    async fn partition(
        &self,
        cluster: &KafkaCluster,
        topic: &str,
        number: i32,
    ) -> Result<PartitionClient, CallError> {
        // A topic that is being made has no leader for a moment.
        let client = self
            .client
            .partition_client(topic, number, UnknownTopicHandling::Retry);
        client.await.map_err(|error| refused(cluster, error))
    }
}

impl Partitions {
    /// The partition of a key, by its CRC-32 as Lua's client has it; without a key they take turns.
    fn choose(&self, key: Option<&[u8]>) -> Option<&PartitionClient> {
        let number = match key {
            Some(key) => usize::try_from(crc32fast::hash(key)).unwrap_or_default(),
            None => self.next.fetch_add(1, Ordering::Relaxed),
        };
        self.clients.get(number.checked_rem(self.clients.len())?)
    }
}

async fn connect(cluster: &KafkaCluster) -> Result<Connected, CallError> {
    let brokers = cluster.brokers.iter();
    let brokers = brokers.map(|(host, port)| address(host, *port)).collect();
    let mut builder = ClientBuilder::new(brokers)
        .client_id("weir")
        // Answers are small; a larger one is no answer of Kafka.
        .max_message_size(16 << 20)
        .backoff_config(BackoffConfig {
            deadline: Some(cluster.timeout),
            ..BackoffConfig::default()
        });
    if let Some(login) = &cluster.login {
        let credentials = Credentials::new(login.user.clone(), login.password.clone());
        builder = builder.sasl_config(match login.mechanism {
            KafkaMechanism::Plain => SaslConfig::Plain(credentials),
            KafkaMechanism::ScramSha256 => SaslConfig::ScramSha256(credentials),
            KafkaMechanism::ScramSha512 => SaslConfig::ScramSha512(credentials),
        });
    }
    let client = builder
        .build()
        .await
        .map_err(|error| lost(cluster, error))?;
    Ok(Connected {
        client,
        topics: HashMap::new(),
    })
}

fn lost(cluster: &KafkaCluster, cause: impl Display) -> CallError {
    CallError::Connect {
        address: shown(cluster),
        cause: cause.to_string(),
    }
}

fn refused(cluster: &KafkaCluster, cause: impl Display) -> CallError {
    CallError::Broken {
        address: shown(cluster),
        cause: cause.to_string(),
    }
}

/// The cluster as shown in errors; its gate is its own.
pub(crate) fn shown(cluster: &KafkaCluster) -> String {
    let brokers = cluster.brokers.iter();
    let brokers: Vec<_> = brokers.map(|(host, port)| address(host, *port)).collect();
    format!("kafka {}", brokers.join(","))
}
