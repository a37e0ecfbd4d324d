//! Responses in the form in which they travel, made once for all streams that need the same.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use prost::Message;
use tokio::sync::OnceCell;
use weir_model::{ContentHash, Delta, Revision};
use weir_proto::sync::StreamResponse;
use weir_store::State;

use super::counters::Counters;

/// Responses kept for other streams.
const KEPT: usize = 64;
/// Bytes of them; the newest one is kept whatever its size.
const KEPT_BYTES: usize = 32 << 20;

/// One response, ready to be sent.
#[derive(Debug)]
pub(crate) struct Encoded {
    /// Whether it replaces everything.
    pub(crate) full: bool,
    /// At least one; the last one says `last`.
    pub(crate) chunks: Vec<Bytes>,
}

impl Encoded {
    fn bytes(&self) -> usize {
        self.chunks.iter().map(Bytes::len).sum()
    }
}

/// What a response leads from and to; `None` is from nothing.
type Span = (String, Option<Revision>, Revision);
/// `None` when the change log does not reach back.
type Slot = Arc<OnceCell<Option<Arc<Encoded>>>>;

/// Encodes, and remembers a bounded number of encodings and hashes.
pub(crate) struct Encoder {
    node: String,
    chunk_bytes: usize,
    counters: Counters,
    kept: Mutex<VecDeque<(Span, Slot)>>,
    hash: Mutex<VecDeque<(Revision, Arc<OnceCell<String>>)>>,
    hasher: Arc<Mutex<ContentHash>>,
}

impl Encoder {
    /// For the node called `node`.
    pub(crate) fn new(node: String, chunk_bytes: usize, counters: Counters) -> Self {
        Self {
            node,
            chunk_bytes,
            counters,
            kept: Mutex::default(),
            hash: Mutex::default(),
            hasher: Arc::default(),
        }
    }

    /// What leads from `from` to `state`; `None` when the change log does not reach back.
    pub(crate) async fn delta(&self, state: &Arc<State>, from: Revision) -> Option<Arc<Encoded>> {
        self.get(state, Some(from)).await
    }

    /// All of `state`.
    pub(crate) async fn full(&self, state: &Arc<State>) -> Option<Arc<Encoded>> {
        self.get(state, None).await
    }

    /// Hash of the content of `state`, computed once a revision.
    pub(crate) async fn content_hash(&self, state: &Arc<State>) -> String {
        let cell = {
            let mut hashes = self.hash.lock().unwrap_or_else(PoisonError::into_inner);
            let revision = state.set.revision;
            match hashes.iter().find(|(known, _)| *known == revision) {
                Some((_, cell)) => Arc::clone(cell),
                None => {
                    let cell = Arc::<OnceCell<String>>::default();
                    hashes.push_back((revision, Arc::clone(&cell)));
                    if hashes.len() > KEPT {
                        hashes.pop_front();
                    }
                    cell
                }
            }
        };
        let hash = cell.get_or_init(|| async {
            let state = Arc::clone(state);
            let hasher = Arc::clone(&self.hasher);
            let hash = move || {
                let mut hasher = hasher.lock().unwrap_or_else(PoisonError::into_inner);
                hasher.of(&state.set)
            };
            tokio::task::spawn_blocking(hash).await.unwrap_or_default()
        });
        hash.await.clone()
    }

    async fn get(&self, state: &Arc<State>, from: Option<Revision>) -> Option<Arc<Encoded>> {
        let span = (state.cluster_id.clone(), from, state.set.revision);
        let slot = self.slot(span);
        let made = slot.get_or_init(|| async {
            let (node, chunk_bytes) = (self.node.clone(), self.chunk_bytes);
            let state = Arc::clone(state);
            let work = move || make(&state, from, &node, chunk_bytes);
            let made = tokio::task::spawn_blocking(work).await.ok().flatten();
            if made.is_some() {
                self.counters.encodes.inc();
            }
            made.map(Arc::new)
        });
        let made = made.await.clone();
        self.trim();
        made
    }

    fn slot(&self, span: Span) -> Slot {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, slot)) = kept.iter().find(|(known, _)| *known == span) {
            return Arc::clone(slot);
        }
        if span.1.is_none() {
            // Nobody needs an older full set any more.
            kept.retain(|((_, from, _), _)| from.is_some());
        }
        let slot = Slot::default();
        kept.push_back((span, Arc::clone(&slot)));
        slot
    }

    fn trim(&self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let size = |slot: &Slot| {
            let made = slot.get().and_then(Option::as_ref);
            made.map_or(0, |encoded| encoded.bytes())
        };
        let mut bytes: usize = kept.iter().map(|(_, slot)| size(slot)).sum();
        while kept.len() > 1 && (kept.len() > KEPT || bytes > KEPT_BYTES) {
            if let Some((_, slot)) = kept.pop_front() {
                bytes -= size(&slot);
            }
        }
    }
}

fn make(state: &State, from: Option<Revision>, node: &str, chunk_bytes: usize) -> Option<Encoded> {
    let delta = match from {
        None => state.set.to_full_delta(),
        Some(from) => {
            let delta = weir_store::delta(state, from);
            if delta.full {
                return None;
            }
            delta
        }
    };
    let empty = StreamResponse {
        revision: delta.revision,
        full: delta.full,
        from: from.unwrap_or(0),
        cluster_id: state.cluster_id.clone(),
        node: node.to_owned(),
        ..StreamResponse::default()
    };
    Some(Encoded {
        full: delta.full,
        chunks: chunks(&delta, &empty, chunk_bytes),
    })
}

/// Splits a delta into messages of about `limit` bytes.
fn chunks(delta: &Delta, empty: &StreamResponse, limit: usize) -> Vec<Bytes> {
    let mut chunks = Vec::new();
    let mut message = empty.clone();
    let mut size = 0;
    let mut room = |message: &mut StreamResponse, more: usize| {
        if size > 0 && size + more > limit {
            chunks.push(encode(&std::mem::replace(message, empty.clone())));
            size = 0;
        }
        size += more;
    };
    for key in &delta.removals {
        let key = weir_proto::resource::Key::from(key);
        room(&mut message, key.encoded_len() + 8);
        message.removals.push(key);
    }
    for resource in &delta.upserts {
        let resource = weir_proto::resource::Resource::from(resource.as_ref());
        room(&mut message, resource.encoded_len() + 8);
        message.upserts.push(resource);
    }
    message.last = true;
    chunks.push(encode(&message));
    chunks
}

/// Encodes a response that has no nonce.
pub(crate) fn encode(message: &StreamResponse) -> Bytes {
    Bytes::from(message.encode_to_vec())
}
