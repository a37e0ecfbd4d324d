//! The endpoint table on disk, so that a node that restarts while a registry is away loses
//! nothing. Format 1: `weir-endpoints 1 SHA256\n`, then JSON.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use weir_model::endpoint::{Endpoint, EndpointKey, EndpointSet};

use super::record::Record;

const MAGIC: &str = "weir-endpoints 1 ";

#[derive(Serialize)]
struct Written<'a> {
    checked_ms: u64,
    endpoints: &'a [Endpoint],
}

#[derive(Deserialize)]
struct Read {
    checked_ms: u64,
    endpoints: Vec<Endpoint>,
}

/// Sets with the time when a registry last confirmed them.
pub(super) type Kept = BTreeMap<EndpointKey, (Arc<EndpointSet>, u64)>;

/// Reads the table; empty when there is none. One that is torn or damaged is put aside: sets come
/// from the registries again.
///
/// # Errors
/// When the file exists and cannot be read.
pub(super) fn load(path: &Path) -> io::Result<Kept> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kept::new()),
        Err(error) => return Err(error),
    };
    Ok(decode(&bytes).unwrap_or_else(|| {
        let aside = path.with_extension("broken");
        tracing::warn!(path = %path.display(), aside = %aside.display(), "the endpoint table is damaged; starting with an empty one");
        if let Err(error) = fs::rename(path, &aside) {
            tracing::warn!(%error, "cannot put the damaged endpoint table aside");
        }
        Kept::new()
    }))
}

/// Replaces the file so that a crash leaves the old or the new one.
///
/// # Errors
/// What the file system said.
pub(super) fn save(path: &Path, records: &[(EndpointKey, Record)]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = File::create(&beside)?;
    file.write_all(&encode(records))?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn encode(records: &[(EndpointKey, Record)]) -> Vec<u8> {
    let known = records.iter().filter_map(|(key, record)| {
        let written = Written {
            checked_ms: record.checked_ms,
            endpoints: record.set.as_ref()?.endpoints(),
        };
        Some((key.as_str(), written))
    });
    let table: BTreeMap<&str, Written<'_>> = known.collect();
    // Texts and numbers always serialise.
    let body = serde_json::to_vec(&table).unwrap_or_default();
    [format!("{MAGIC}{}\n", checksum(&body)).into_bytes(), body].concat()
}

fn decode(bytes: &[u8]) -> Option<Kept> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (header, body) = (bytes.get(..end)?, bytes.get(end + 1..)?);
    let sum = std::str::from_utf8(header).ok()?.strip_prefix(MAGIC)?;
    if sum != checksum(body) {
        return None;
    }
    let table: BTreeMap<String, Read> = serde_json::from_slice(body).ok()?;
    let sets = table.into_iter().map(|(key, read)| {
        let set = EndpointSet::new(read.endpoints).ok()?;
        Some((
            EndpointKey::from_text(&key),
            (Arc::new(set), read.checked_ms),
        ))
    });
    sets.collect()
}

fn checksum(body: &[u8]) -> String {
    let digest = Sha256::digest(body);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;
    use weir_model::Kind;
    use weir_model::endpoint::lookups;

    use super::*;

    fn record(name: &str, hosts: &[&str]) -> (EndpointKey, Record) {
        let spec = json!({"discovery_type": "consul", "service_name": name});
        let lookup = lookups(Kind::Upstream, &spec).remove(0);
        let key = lookup.key();
        let mut record = Record::new(lookup, BTreeSet::new());
        let all = hosts.iter().map(|host| Endpoint::new(*host, Some(80)));
        record.set = Some(Arc::new(EndpointSet::new(all).unwrap()));
        record.checked_ms = 7;
        (key, record)
    }

    #[test]
    fn the_table_is_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("endpoints.table");
        assert!(load(&path).unwrap().is_empty());
        let mut unknown = record("c", &[]);
        unknown.1.set = None;
        let records = [
            record("a", &["10.0.0.1", "10.0.0.2"]),
            record("b", &[]),
            unknown,
        ];
        save(&path, &records).unwrap();
        let kept = load(&path).unwrap();
        assert_eq!(kept.len(), 2);
        for (key, record) in &records[..2] {
            let (set, checked_ms) = &kept[key];
            assert_eq!((Some(set), *checked_ms), (record.set.as_ref(), 7));
        }
    }

    #[test]
    fn any_damage_is_found_and_put_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("endpoints.table");
        let good = encode(&[record("a", &["10.0.0.1"])]);
        for at in 0..good.len() {
            let mut flipped = good.clone();
            flipped[at] ^= 0x04;
            assert!(decode(&flipped).is_none(), "byte {at}");
            assert!(decode(&good[..at]).is_none(), "torn at {at}");
        }
        fs::write(&path, &good[1..]).unwrap();
        assert!(load(&path).unwrap().is_empty());
        assert!(!path.exists() && path.with_extension("broken").exists());
    }
}
