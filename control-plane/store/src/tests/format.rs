//! The snapshot format: frozen bytes load for ever, damaged ones are refused.

use serde_json::json;
use weir_model::Kind;

use super::fixture::{Log, delete, key, put};
use crate::{Change, Command, DecodeError, Operation, Target, decode, delta, encode, state_hash};

const V1: &[u8] = include_bytes!("snapshot-v1.bin");
const V2: &[u8] = include_bytes!("snapshot-v2.bin");

fn sample() -> Log {
    let mut log = Log::default();
    log.apply(Command::Bootstrap {
        cluster_id: "sample".to_owned(),
    });
    log.write(vec![
        put(
            "upstreams/1",
            json!({"nodes": {"127.0.0.1:80": 1}, "retry_timeout": 0.1}),
        ),
        put("routes/1", json!({"uri": "/a", "upstream_id": 1})),
        put(
            "consumers/bob",
            json!({"plugins": {"key-auth": {"key": "k"}}}),
        ),
    ]);
    log.write(vec![Change {
        target: Target::New(Kind::Route),
        operation: Operation::Put {
            spec: json!({"uri": "/b"}).into(),
            expires_at_ms: Some(1_800_000_000_000),
        },
        ..put("routes/x", json!({}))
    }]);
    log
}

#[test]
fn bytes_of_format_1_load_and_are_written_the_same() {
    let log = sample();
    if std::env::var_os("UPDATE_SNAPSHOT").is_some() {
        std::fs::write("src/tests/snapshot-v1.bin", encode(&log.state)).unwrap();
    }
    let state = decode(V1).unwrap();
    assert_eq!(state.cluster_id, "sample");
    assert_eq!(state.set, log.state.set);
    assert_eq!(encode(&log.state), V1);
}

/// The sample with secrets of session tickets.
fn sample_with_tickets() -> Log {
    let mut log = sample();
    log.apply(super::fixture::rotate(7, None));
    log
}

#[test]
fn bytes_of_format_2_load_and_are_written_the_same() {
    let log = sample_with_tickets();
    if std::env::var_os("UPDATE_SNAPSHOT").is_some() {
        std::fs::write("src/tests/snapshot-v2.bin", encode(&log.state)).unwrap();
    }
    let state = decode(V2).unwrap();
    assert_eq!(state.tickets, log.state.tickets);
    assert_eq!(state.tickets.len(), 1);
    assert_eq!(state.set, log.state.set);
    assert_eq!(encode(&log.state), V2);
}

#[test]
fn a_decoded_state_goes_on_where_the_encoded_one_stood() {
    let mut before = sample();
    let mut after = Log {
        state: decode(&encode(&before.state)).unwrap(),
        index: before.index,
    };
    for log in [&mut before, &mut after] {
        assert_eq!(log.state.next_expiry_ms(), Some(1_800_000_000_000));
        log.in_use("upstreams/1");
        log.problem(vec![put(
            "consumers/ann",
            json!({"plugins": {"key-auth": {"key": "k"}}}),
        )]);
        log.write(vec![delete("routes/1")]);
        assert!(!delta(&log.state, 2).full);
    }
    assert_eq!(state_hash(&before.state), state_hash(&after.state));
    assert!(after.state.set.get(&key("routes/1")).is_none());
}

#[test]
fn every_flipped_byte_is_found() {
    for whole in [V1, V2] {
        for position in 0..whole.len() {
            let mut bytes = whole.to_vec();
            bytes[position] ^= 1;
            assert!(decode(&bytes).is_err(), "byte {position}");
        }
    }
}

#[test]
fn every_cut_is_found() {
    for length in 0..V1.len() {
        assert!(decode(&V1[..length]).is_err(), "length {length}");
    }
    let mut longer = V1.to_vec();
    longer.push(b' ');
    assert!(matches!(decode(&longer), Err(DecodeError::Length { .. })));
}

#[test]
fn a_newer_format_is_refused_by_name() {
    use sha2::{Digest, Sha256};
    let body = br#"{"v3":{}}"#;
    let sum: String = Sha256::digest(body)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let mut bytes = format!("weir-snapshot {sum} {}\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    let error = decode(&bytes).unwrap_err().to_string();
    assert!(error.contains("v3"), "{error}");
}
