//! How members talk: gRPC over [`weir_proto::raft`], one service on the peer address.

pub(crate) mod channels;
pub(crate) mod client;
pub(crate) mod server;

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tonic::Status;
use weir_proto::raft::Header;

use crate::types::PeerId;

/// Version of the JSON inside messages: raised when the pin of openraft moves.
const FORMAT: u32 = 1;
/// One entry can hold a large change set.
pub(crate) const MESSAGE_BYTES: usize = 64 << 20;
/// Largest command in its JSON: an entry has little around it, and the outcome of a command, which
/// travels back to the node that was asked, can be twice as large.
pub(crate) const COMMAND_BYTES: u64 = 24 << 20;
/// Size of one chunk of a snapshot.
const CHUNK_BYTES: usize = 64 << 10;

/// The header of a message to `target`.
pub(crate) fn header(cluster_id: &str, target: PeerId) -> Option<Header> {
    Some(Header {
        format: FORMAT,
        cluster_id: cluster_id.to_owned(),
        target: target.to_string(),
    })
}

/// Whether a message is for this member.
pub(crate) fn check_header(
    header: Option<&Header>,
    cluster_id: &str,
    me: PeerId,
) -> Result<(), Status> {
    let header = header.ok_or_else(|| Status::invalid_argument("message without header"))?;
    if header.format != FORMAT {
        return Err(Status::failed_precondition(format!(
            "expected peer format {FORMAT}, got {}: the releases of the members are too far apart",
            header.format
        )));
    }
    if header.cluster_id != cluster_id || header.target != me.to_string() {
        return Err(Status::failed_precondition(format!(
            "this is member {me} of cluster {cluster_id}, the message is for {} of {}",
            header.target, header.cluster_id
        )));
    }
    Ok(())
}

/// A part of a message as JSON.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Status> {
    serde_json::to_vec(value).map_err(|error| Status::internal(error.to_string()))
}

/// Bytes of the JSON of a value, without making it.
pub(crate) fn encoded_len<T: Serialize>(value: &T) -> u64 {
    struct Count(u64);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Counting does not fail, and what does not serialise is refused where it is encoded.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

/// What a part of a message says.
pub(crate) fn decode<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, Status> {
    serde_json::from_slice(bytes)
        .map_err(|error| Status::invalid_argument(format!("{what} cannot be read: {error}")))
}

/// A status in one line for logs and errors.
pub(crate) fn describe(status: &Status) -> impl fmt::Display + '_ {
    fmt::from_fn(move |f| write!(f, "{:?}: {}", status.code(), status.message()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_that_of_the_encoding() {
        let value = serde_json::json!({"a": ["é", 1.5, null]});
        let bytes = encode(&value).unwrap();
        assert_eq!(encoded_len(&value), bytes.len() as u64);
    }

    #[test]
    fn only_messages_for_this_member_of_this_cluster_pass() {
        let me = PeerId { node: 2, epoch: 7 };
        let wiped = PeerId { node: 2, epoch: 0 };
        assert!(check_header(header("c", me).as_ref(), "c", me).is_ok());
        assert!(check_header(header("c", wiped).as_ref(), "c", me).is_err());
        assert!(check_header(header("d", me).as_ref(), "c", me).is_err());
        assert!(check_header(None, "c", me).is_err());
        let newer = header("c", me).map(|header| Header {
            format: FORMAT + 1,
            ..header
        });
        assert!(check_header(newer.as_ref(), "c", me).is_err());
    }
}
