//! Snapshots on disk: one header line with the Raft metadata and its checksum, then the bytes of
//! the state, which carry their own. A file counts once it has its name; the two newest are kept.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::types::{Snapshot, SnapshotMeta};

/// First word of every file.
const MAGIC: &str = "weir-raft-snapshot";
/// Files that are kept: the newest, and one to look at when that is damaged.
const KEPT: usize = 2;
/// How often a full disk is tried again.
const FULL_RETRY: Duration = Duration::from_secs(1);

/// Where snapshots lie.
#[derive(Debug, Clone)]
pub(crate) struct SnapshotDirectory {
    path: PathBuf,
}

impl SnapshotDirectory {
    /// Creates the directory below `data_dir`, and removes what a crash left half written.
    ///
    /// # Errors
    /// When the directory cannot be made or read.
    pub(crate) fn open(data_dir: &Path) -> io::Result<Self> {
        let path = data_dir.join("snapshots");
        fs::create_dir_all(&path)?;
        for entry in fs::read_dir(&path)? {
            let entry = entry?.path();
            if entry
                .extension()
                .is_some_and(|extension| extension == "tmp")
            {
                fs::remove_file(entry)?;
            }
        }
        Ok(Self { path })
    }

    /// Writes a snapshot so that it is either there as a whole or not at all, also after a loss of
    /// power; then removes old ones.
    ///
    /// # Errors
    /// When the disk refuses; the earlier snapshots are then untouched.
    pub(crate) fn save(&self, meta: &SnapshotMeta, data: &[u8]) -> io::Result<()> {
        let name = name(meta);
        let partial = self.path.join(format!("{name}.tmp"));
        if let Err(error) = write(&partial, meta, data) {
            // What is half written only takes room away.
            let _ = fs::remove_file(&partial);
            return Err(error);
        }
        fs::rename(&partial, self.path.join(name))?;
        File::open(&self.path)?.sync_all()?;
        for old in self.files()?.into_iter().rev().skip(KEPT) {
            fs::remove_file(old)?;
        }
        Ok(())
    }

    /// [`Self::save`], again and again while the disk is full: that passes, and an error would stop
    /// this member. Blocks.
    ///
    /// # Errors
    /// When the disk refuses for another reason.
    pub(crate) fn save_patiently(&self, meta: &SnapshotMeta, data: &[u8]) -> io::Result<()> {
        loop {
            match self.save(meta, data) {
                Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                    tracing::error!("the disk is full: a snapshot waits until there is space");
                    std::thread::sleep(FULL_RETRY);
                }
                saved => return saved,
            }
        }
    }

    /// The newest snapshot; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read or its header is damaged. The state behind the header is checked by
    /// who decodes it.
    pub(crate) fn newest(&self) -> io::Result<Option<Snapshot>> {
        let Some(path) = self.files()?.pop() else {
            return Ok(None);
        };
        let mut bytes = fs::read(&path)?;
        let damaged = |what: &str| {
            let message = format!("snapshot {} is damaged: {what}", path.display());
            io::Error::new(io::ErrorKind::InvalidData, message)
        };
        let end = bytes
            .iter()
            .position(|byte| *byte == b'\n')
            .ok_or_else(|| damaged("it has no header"))?;
        let data = bytes.split_off(end + 1);
        let header = std::str::from_utf8(bytes.get(..end).unwrap_or_default())
            .map_err(|_| damaged("its header is no text"))?;
        let mut words = header.splitn(3, ' ');
        if words.next() != Some(MAGIC) {
            return Err(damaged("its header has another form"));
        }
        let (sum, json) = words
            .next()
            .zip(words.next())
            .ok_or_else(|| damaged("its header is cut"))?;
        if digest(json.as_bytes()) != sum {
            return Err(damaged("the checksum of its header is wrong"));
        }
        let meta = serde_json::from_str(json).map_err(|error| damaged(&error.to_string()))?;
        Ok(Some(Snapshot {
            meta,
            snapshot: Arc::new(data),
        }))
    }

    /// Finished snapshots, oldest first.
    fn files(&self) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "snapshot")
            {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }
}

/// Writes a file down to the disk.
fn write(path: &Path, meta: &SnapshotMeta, data: &[u8]) -> io::Result<()> {
    let json = serde_json::to_string(meta).map_err(io::Error::other)?;
    let mut file = File::create(path)?;
    writeln!(file, "{MAGIC} {} {json}", digest(json.as_bytes()))?;
    file.write_all(data)?;
    file.sync_all()
}

/// Names sort as the snapshots do.
fn name(meta: &SnapshotMeta) -> String {
    let (index, term) = meta
        .last_log_id
        .as_ref()
        .map_or((0, 0), |id| (id.index(), id.committed_leader_id().term));
    format!("{index:020}-{term:020}.snapshot")
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
