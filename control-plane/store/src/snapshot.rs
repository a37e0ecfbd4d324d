//! The state as bytes: one header line with format and checksum, then JSON. The same state gives
//! the same bytes on every member, and bytes of earlier formats can be read for ever.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use weir_model::{Resource, ResourceSet, Revision};

use crate::changes::{ChangeLog, ChangeRecord};
use crate::index::Index;
use crate::state::{State, hex};
use crate::tickets::TicketSecrets;

/// First word of every snapshot.
const MAGIC: &str = "weir-snapshot";
/// The header line is not longer: what is longer is no snapshot.
const MAX_HEADER: usize = 256;

/// Why bytes are not taken as a state.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// They do not start with the header of a snapshot.
    #[error("not a snapshot: expected a header line that starts with {MAGIC:?}")]
    NotASnapshot,
    /// Bytes are missing or follow behind the end.
    #[error("snapshot has {got} bytes after its header, expected {expected}")]
    Length {
        /// What the header says.
        expected: u64,
        /// What is there.
        got: u64,
    },
    /// Bytes changed since they were written.
    #[error("snapshot is damaged: its sha256 is {got}, expected {expected}")]
    Checksum {
        /// What the header says.
        expected: String,
        /// What the bytes give.
        got: String,
    },
    /// A release that this one does not know wrote it, or it does not make sense.
    #[error("snapshot cannot be read: {0}")]
    Malformed(#[from] serde_json::Error),
}

/// All formats that were ever written. A new one gets a new variant; none is ever changed.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Versioned {
    V1(V1),
    V2(V2),
}

#[derive(Serialize, Deserialize)]
struct V1 {
    cluster_id: String,
    revision: Revision,
    last_id: u64,
    resources: Vec<Arc<Resource>>,
    floor: Revision,
    changes: Vec<ChangeRecord>,
}

/// What format 1 has, and the secrets of session tickets.
#[derive(Serialize, Deserialize)]
struct V2 {
    state: V1,
    tickets: TicketSecrets,
}

/// The JSON, without header: in the oldest format that has a place for everything.
pub(crate) fn body(state: &State) -> Vec<u8> {
    let v1 = V1 {
        cluster_id: state.cluster_id.clone(),
        revision: state.set.revision,
        last_id: state.last_id,
        resources: state.set.resources.values().cloned().collect(),
        floor: state.changes.floor,
        changes: state.changes.records.iter().cloned().collect(),
    };
    let versioned = if state.tickets.is_empty() {
        Versioned::V1(v1)
    } else {
        Versioned::V2(V2 {
            state: v1,
            tickets: Arc::clone(&state.tickets),
        })
    };
    // Cannot fail: the keys of all maps are strings, and it writes to memory.
    serde_json::to_vec(&versioned).unwrap_or_default()
}

/// The state as bytes. Deterministic.
#[must_use]
pub fn encode(state: &State) -> Vec<u8> {
    let body = body(state);
    let mut bytes =
        format!("{MAGIC} {} {}\n", hex(&Sha256::digest(&body)), body.len()).into_bytes();
    bytes.extend_from_slice(&body);
    bytes
}

/// The state that [`encode`] was given, of this or an earlier release.
///
/// # Errors
/// When a byte is missing or changed, or when a newer release wrote them. Nothing is half taken.
pub fn decode(bytes: &[u8]) -> Result<State, DecodeError> {
    let (expected, length, body) = split(bytes).ok_or(DecodeError::NotASnapshot)?;
    let got = body.len() as u64;
    if got != length {
        return Err(DecodeError::Length {
            expected: length,
            got,
        });
    }
    let sum = hex(&Sha256::digest(body));
    if sum != expected {
        return Err(DecodeError::Checksum {
            expected: expected.to_owned(),
            got: sum,
        });
    }
    let (v1, tickets) = match serde_json::from_slice(body)? {
        Versioned::V1(v1) => (v1, TicketSecrets::default()),
        Versioned::V2(v2) => (v2.state, v2.tickets),
    };
    let mut index = Index::default();
    for resource in &v1.resources {
        index.insert(resource);
    }
    Ok(State {
        cluster_id: v1.cluster_id,
        set: ResourceSet {
            revision: v1.revision,
            resources: v1
                .resources
                .into_iter()
                .map(|resource| (resource.key.clone(), resource))
                .collect(),
        },
        changes: ChangeLog::restore(v1.changes, v1.floor),
        tickets,
        last_id: v1.last_id,
        index,
    })
}

/// Checksum, length of the body, body.
fn split(bytes: &[u8]) -> Option<(&str, u64, &[u8])> {
    let end = bytes
        .iter()
        .take(MAX_HEADER)
        .position(|byte| *byte == b'\n')?;
    let (header, rest) = bytes.split_at(end);
    let mut words = std::str::from_utf8(header).ok()?.split(' ');
    if words.next()? != MAGIC {
        return None;
    }
    let sum = words.next()?;
    let length = words.next()?.parse().ok()?;
    Some((sum, length, rest.get(1..)?))
}
