//! Endpoint sets on the stream of one agent: beside the revisions, what differs from what the
//! agent has. One response is outstanding; what changes meanwhile is in the next one.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use prost::Message;
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::Status;
use weir_model::Revision;
use weir_model::endpoint::{EndpointHash, EndpointKey};
use weir_proto::sync::{EndpointVersion, StreamResponse};

use super::codec::Frame;
use super::session::Outbound;
use crate::registry::{Offer, Offers};

type Sets = OrdMap<EndpointKey, Option<Arc<Offer>>>;

enum Stage {
    /// The agent has what is offered, as far as is known.
    Idle,
    /// Chunks from `next` on are not handed over yet.
    Sending {
        chunks: Vec<Bytes>,
        next: usize,
        nonce: Arc<str>,
        sets: Sets,
    },
    /// The agent has not answered yet.
    Awaiting {
        nonce: Arc<str>,
        sets: Sets,
        since: Instant,
    },
}

/// The endpoint sets of one stream.
pub(super) struct Feed {
    offers: watch::Receiver<Offers>,
    /// Hashes that the agent named and that were not compared yet.
    named: BTreeMap<EndpointKey, Option<EndpointHash>>,
    /// What the agent has of what this node offered.
    has: Sets,
    stage: Stage,
    /// Cluster and revision that the agent has.
    position: (String, Revision),
    /// Whether something may differ that no change of the offers will tell.
    stale: bool,
    name: String,
    responses: u64,
    chunk_bytes: usize,
}

impl Feed {
    /// The feed of an agent that has `named`.
    pub(super) fn new(
        offers: watch::Receiver<Offers>,
        named: &[EndpointVersion],
        name: String,
        chunk_bytes: usize,
    ) -> Self {
        let named = named.iter().map(|version| {
            let key = EndpointKey::from_text(&version.key);
            (key, version.hash.parse().ok())
        });
        Self {
            offers,
            named: named.collect(),
            has: Sets::new(),
            stage: Stage::Idle,
            position: (String::new(), 0),
            stale: true,
            name,
            responses: 0,
            chunk_bytes,
        }
    }

    /// The agent has this revision: only then it is known what it asks for.
    pub(super) fn positioned(&mut self, cluster_id: &str, revision: Revision) {
        self.position = (cluster_id.to_owned(), revision);
        self.stale = true;
    }

    /// Does the next step when there is one; `Err` when the stream is gone. Nothing is lost when
    /// the future is dropped.
    pub(super) async fn step(&mut self, outbound: &Outbound) -> Result<(), ()> {
        match &mut self.stage {
            Stage::Awaiting { .. } => std::future::pending().await,
            Stage::Idle => {
                if !self.stale {
                    self.offers.changed().await.map_err(drop)?;
                }
                self.stale = false;
                self.plan();
            }
            Stage::Sending {
                chunks,
                next,
                nonce,
                sets,
            } => {
                let room = outbound.reserve().await.map_err(drop)?;
                if let Some(chunk) = chunks.get(*next) {
                    room.send(Ok(Frame {
                        nonce: Some(Arc::clone(nonce)),
                        chunk: chunk.clone(),
                    }));
                    *next += 1;
                }
                if *next >= chunks.len() {
                    self.stage = Stage::Awaiting {
                        nonce: Arc::clone(nonce),
                        sets: std::mem::take(sets),
                        since: Instant::now(),
                    };
                }
            }
        }
        Ok(())
    }

    /// Whether an acknowledgement was for this feed.
    pub(super) fn acknowledged(&mut self, nonce: &str) -> bool {
        match &mut self.stage {
            Stage::Awaiting {
                nonce: sent, sets, ..
            } if **sent == *nonce => {
                self.has = std::mem::take(sets);
                self.stage = Stage::Idle;
                self.stale = true;
                true
            }
            _ => false,
        }
    }

    /// Which limit is over, if one is.
    pub(super) fn overdue(&self, now: Instant, limit: std::time::Duration) -> Option<Status> {
        match &self.stage {
            Stage::Awaiting { since, .. } if now.duration_since(*since) > limit => Some(
                Status::deadline_exceeded("the agent does not acknowledge endpoints"),
            ),
            _ => None,
        }
    }

    fn plan(&mut self) {
        let offers = self.offers.borrow_and_update().clone();
        let removing = offers.demand == self.position;
        let changes = changes(&self.has, &mut self.named, &offers.sets, removing);
        if changes.is_empty() {
            self.has = changes.sets;
            return;
        }
        self.responses += 1;
        self.stage = Stage::Sending {
            chunks: changes.chunks(self.chunk_bytes),
            next: 0,
            nonce: format!("{}-e{}", self.name, self.responses).into(),
            sets: changes.sets,
        };
    }
}

/// What leads from what an agent has to what it should have.
struct Changes {
    upserts: Vec<Arc<Offer>>,
    removals: Vec<EndpointKey>,
    /// What it has afterwards.
    sets: Sets,
}

/// Compares. A set that nothing asks for is removed only when it is known that the agent does not
/// ask for it either; one that is asked for and unknown here leaves the agent what it has.
fn changes(
    has: &Sets,
    named: &mut BTreeMap<EndpointKey, Option<EndpointHash>>,
    offered: &Sets,
    removing: bool,
) -> Changes {
    let mut changes = Changes {
        upserts: Vec::new(),
        removals: Vec::new(),
        sets: offered.clone(),
    };
    for item in has.diff(offered) {
        match item {
            DiffItem::Add(key, offer)
            | DiffItem::Update {
                new: (key, offer), ..
            } => {
                let Some(offer) = offer else {
                    continue;
                };
                // The agent brought it along.
                if named.remove(key) != Some(Some(offer.hash)) {
                    changes.upserts.push(Arc::clone(offer));
                }
            }
            DiffItem::Remove(key, _) if removing => changes.removals.push(key.clone()),
            DiffItem::Remove(key, offer) => {
                // Later.
                changes.sets.insert(key.clone(), offer.clone());
            }
        }
    }
    if removing {
        let gone = named.keys().filter(|key| !offered.contains_key(*key));
        changes.removals.extend(gone.cloned());
        named.retain(|key, _| offered.contains_key(key));
    }
    changes
}

impl Changes {
    fn is_empty(&self) -> bool {
        self.upserts.is_empty() && self.removals.is_empty()
    }

    /// As chunks of about `limit` bytes, at least one.
    fn chunks(&self, limit: usize) -> Vec<Bytes> {
        let head = StreamResponse {
            of_endpoints: true,
            ..StreamResponse::default()
        };
        let mut chunks = Vec::new();
        let mut chunk = BytesMut::from(&*head.encode_to_vec());
        for offer in &self.upserts {
            if chunk.len() + offer.encoded.len() > limit && chunk.len() > head.encoded_len() {
                let full = std::mem::replace(&mut chunk, BytesMut::from(&*head.encode_to_vec()));
                chunks.push(full.freeze());
            }
            chunk.extend_from_slice(&offer.encoded);
        }
        let last = StreamResponse {
            last: true,
            endpoint_removals: self.removals.iter().map(ToString::to_string).collect(),
            ..StreamResponse::default()
        };
        chunk.extend_from_slice(&last.encode_to_vec());
        chunks.push(chunk.freeze());
        chunks
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_model::endpoint::{Endpoint, EndpointSet};
    use weir_proto::convert::endpoint::to_wire;

    use super::*;

    fn key(name: u8) -> EndpointKey {
        EndpointKey::from_text(&format!("consul/*/s{name}"))
    }

    fn offer(name: u8, content: u8) -> Arc<Offer> {
        let endpoint = Endpoint::new(format!("10.0.0.{content}"), None);
        let set = EndpointSet::new([endpoint]).unwrap();
        let message = StreamResponse {
            endpoint_sets: vec![to_wire(&key(name), &set)],
            ..StreamResponse::default()
        };
        Arc::new(Offer {
            hash: set.hash(),
            encoded: message.encode_to_vec().into(),
        })
    }

    /// An agent as its control node sees it.
    #[derive(Default)]
    struct Agent {
        sets: BTreeMap<String, String>,
    }

    impl Agent {
        fn take(&mut self, chunks: &[Bytes]) {
            let mut complete = false;
            for chunk in chunks {
                let message = StreamResponse::decode(chunk.clone()).unwrap();
                assert!(message.of_endpoints && !complete);
                for set in message.endpoint_sets {
                    self.sets.insert(set.key, set.hash);
                }
                for key in message.endpoint_removals {
                    self.sets.remove(&key);
                }
                complete = message.last;
            }
            assert!(complete);
        }

        fn named(&self) -> BTreeMap<EndpointKey, Option<EndpointHash>> {
            let named = self.sets.iter();
            named
                .map(|(key, hash)| (EndpointKey::from_text(key), hash.parse().ok()))
                .collect()
        }
    }

    fn table(sets: &[(u8, Option<u8>)]) -> Sets {
        let sets = sets.iter();
        sets.map(|(name, content)| (key(*name), content.map(|content| offer(*name, content))))
            .collect()
    }

    #[test]
    fn an_agent_that_comes_back_gets_only_what_differs() {
        let mut agent = Agent::default();
        let first = table(&[(1, Some(1)), (2, Some(1)), (3, Some(1))]);
        let all = changes(&Sets::new(), &mut agent.named(), &first, true);
        assert_eq!(all.upserts.len(), 3);
        agent.take(&all.chunks(1));
        let later = table(&[(1, Some(1)), (2, Some(9)), (4, None)]);
        let some = changes(&Sets::new(), &mut agent.named(), &later, true);
        assert_eq!((some.upserts.len(), some.removals.len()), (1, 1));
        agent.take(&some.chunks(usize::MAX));
        assert!(changes(&Sets::new(), &mut agent.named(), &later, true).is_empty());
    }

    #[test]
    fn what_is_asked_for_and_unknown_here_stays_with_the_agent() {
        let mut agent = Agent::default();
        let known = table(&[(1, Some(1))]);
        agent.take(&changes(&Sets::new(), &mut BTreeMap::new(), &known, true).chunks(9));
        assert!(changes(&Sets::new(), &mut agent.named(), &table(&[(1, None)]), true).is_empty());
        // And a node that does not know what the agent asks for removes nothing.
        assert!(changes(&Sets::new(), &mut agent.named(), &table(&[]), false).is_empty());
    }

    proptest! {
        #[test]
        fn the_agent_ends_with_what_is_offered(
            steps in prop::collection::vec(
                (prop::collection::btree_map(0..6_u8, prop::option::of(0..3_u8), 0..6), any::<bool>(), any::<bool>()),
                1..12,
            )
        ) {
            let mut agent = Agent::default();
            let (mut has, mut named) = (Sets::new(), BTreeMap::new());
            let mut offered = Sets::new();
            for (sets, reconnects, removing) in steps {
                if reconnects {
                    (has, named) = (Sets::new(), agent.named());
                }
                offered = table(&sets.into_iter().collect::<Vec<_>>());
                let changes = changes(&has, &mut named, &offered, removing);
                if !changes.is_empty() {
                    agent.take(&changes.chunks(100));
                }
                has = changes.sets;
            }
            let last = changes(&has, &mut named, &offered, true);
            agent.take(&last.chunks(100));
            for (key, offer) in &offered {
                if let Some(offer) = offer {
                    prop_assert_eq!(agent.sets.get(key.as_str()), Some(&offer.hash.to_string()));
                }
            }
            for key in agent.sets.keys() {
                prop_assert!(offered.contains_key(&EndpointKey::from_text(key)));
            }
        }
    }
}
