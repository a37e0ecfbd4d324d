//! The table of agents on disk.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::record::Record;

/// Version of the format.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    agents: &'a [Record],
}

#[derive(Deserialize)]
struct Read {
    version: u32,
    agents: Vec<Record>,
}

/// Reads the table; empty when there is no file yet.
pub(crate) fn load(path: &Path) -> io::Result<Vec<Record>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    match serde_json::from_slice::<Read>(&bytes) {
        Ok(read) if read.version == VERSION => Ok(read.agents),
        Ok(read) => {
            put_aside(
                path,
                &format!("format version {}, expected {VERSION}", read.version),
            );
            Ok(Vec::new())
        }
        Err(error) => {
            put_aside(path, &error.to_string());
            Ok(Vec::new())
        }
    }
}

fn put_aside(path: &Path, reason: &str) {
    let aside = path.with_extension("json.broken");
    tracing::warn!(reason, path = %path.display(), aside = %aside.display(), "the table of agents cannot be read; starting with an empty one");
    if let Err(error) = fs::rename(path, &aside) {
        tracing::warn!(%error, path = %path.display(), "cannot put the broken table of agents aside");
    }
}

/// Replaces the file so that a crash leaves the old or the new one.
pub(crate) fn save(path: &Path, agents: &[Record]) -> io::Result<()> {
    let written = Written {
        version: VERSION,
        agents,
    };
    let bytes = serde_json::to_vec(&written).map_err(io::Error::other)?;
    let temporary = path.with_extension("json.tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
