//! Format 1: `weir-agent-cache 1 GENERATION SHA256\n`, then the state as JSON. The hash covers the
//! generation and the JSON.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use weir_model::{Resource, ResourceSet, Revision};

use crate::sync::mirror::Mirror;

const MAGIC: &str = "weir-agent-cache";
const VERSION: &str = "1";

/// Why a file is not a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    #[error("not an agent cache of format {VERSION}")]
    Header,
    #[error("checksum does not match: the file is torn or damaged")]
    Checksum,
    #[error("not a state: {0}")]
    Body(String),
}

#[derive(Serialize)]
struct Body<'a> {
    cluster_id: &'a str,
    revision: Revision,
    resources: Vec<&'a Resource>,
}

#[derive(Deserialize)]
struct OwnedBody {
    cluster_id: String,
    revision: Revision,
    resources: Vec<Arc<Resource>>,
}

fn checksum(generation: u64, body: &[u8]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(generation.to_be_bytes());
    hasher.update(body);
    hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The bytes of a state.
pub(super) fn encode(generation: u64, mirror: &Mirror) -> Vec<u8> {
    let body = Body {
        cluster_id: &mirror.cluster_id,
        revision: mirror.set.revision,
        resources: mirror.set.resources.values().map(Arc::as_ref).collect(),
    };
    // JSON values and strings always serialise.
    let body = serde_json::to_vec(&body).unwrap_or_default();
    let header = format!(
        "{MAGIC} {VERSION} {generation} {}\n",
        checksum(generation, &body)
    );
    [header.into_bytes(), body].concat()
}

/// The generation and the state in `bytes`.
pub(super) fn decode(bytes: &[u8]) -> Result<(u64, Mirror), Error> {
    let end = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .ok_or(Error::Header)?;
    let (header, body) = bytes.split_at(end);
    let body = body.get(1..).unwrap_or_default();
    let header = std::str::from_utf8(header).map_err(|_| Error::Header)?;
    let fields: Vec<&str> = header.split(' ').collect();
    let [MAGIC, VERSION, generation, sum] = fields.as_slice() else {
        return Err(Error::Header);
    };
    let number: u64 = generation.parse().map_err(|_| Error::Header)?;
    // The text itself must be what the number prints as: `+7` or `007` is damage.
    if number.to_string() != *generation || checksum(number, body) != *sum {
        return Err(Error::Checksum);
    }
    let body: OwnedBody =
        serde_json::from_slice(body).map_err(|error| Error::Body(error.to_string()))?;
    let resources = body
        .resources
        .into_iter()
        .map(|resource| (resource.key.clone(), resource));
    let set = ResourceSet {
        revision: body.revision,
        resources: resources.collect(),
    };
    Ok((
        number,
        Mirror {
            cluster_id: body.cluster_id,
            set,
        },
    ))
}
