//! Format 1: `weir-agent-cache 1 GENERATION SHA256\n`, then the content as JSON. The hash covers
//! the generation and the JSON.

use sha2::{Digest, Sha256};

const MAGIC: &str = "weir-agent-cache";
const VERSION: &str = "1";

/// Why a file has no content that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    #[error("not an agent cache of format {VERSION}")]
    Header,
    #[error("checksum does not match: the file is torn or damaged")]
    Checksum,
    #[error("not the expected content: {0}")]
    Body(String),
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

/// The bytes of a file.
pub(super) fn encode(generation: u64, body: Vec<u8>) -> Vec<u8> {
    let sum = checksum(generation, &body);
    let header = format!("{MAGIC} {VERSION} {generation} {sum}\n");
    [header.into_bytes(), body].concat()
}

/// The generation and the content in the bytes of a file.
pub(super) fn decode(bytes: &[u8]) -> Result<(u64, &[u8]), Error> {
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
    Ok((number, body))
}
