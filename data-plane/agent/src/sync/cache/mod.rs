//! The last good state on disk, so that an agent starts and serves with every control node dead.
//!
//! Two files are written in turns. Each has a header line with format version, generation and
//! SHA-256 of what follows; a file that is torn, flipped or of an unknown format counts as absent,
//! and the other one is the last good state. A file is complete before it gets its name: written
//! beside it, synced, renamed, and the directory synced.

mod format;
#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::mirror::Mirror;

const NAMES: [&str; 2] = ["state-a.cache", "state-b.cache"];

/// The cache of one agent.
#[derive(Debug)]
pub(crate) struct Cache {
    dir: PathBuf,
    /// Number of the newest file; 0 when there is none.
    generation: u64,
}

/// What was found at the start.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The newest good state, if any.
    pub(crate) mirror: Option<Mirror>,
    /// Files that cannot be used, and why.
    pub(crate) refused: Vec<String>,
}

impl Cache {
    /// Opens the cache in `dir`, which is made when missing, and reads the newest good state.
    ///
    /// # Errors
    /// When the directory cannot be made or read; never because of what is in a file.
    pub(crate) fn open(dir: &Path) -> io::Result<(Self, Loaded)> {
        fs::create_dir_all(dir)?;
        let mut newest: Option<(u64, Mirror)> = None;
        let mut refused = Vec::new();
        let mut generation = 0;
        for name in NAMES {
            let path = dir.join(name);
            let bytes = match fs::read(&path) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            match format::decode(&bytes) {
                Ok((number, mirror)) => {
                    generation = generation.max(number);
                    if newest.as_ref().is_none_or(|(known, _)| *known < number) {
                        newest = Some((number, mirror));
                    }
                }
                Err(error) => refused.push(format!("{}: {error}", path.display())),
            }
        }
        let mirror = newest.map(|(_, mirror)| mirror);
        Ok((
            Self {
                dir: dir.to_owned(),
                generation,
            },
            Loaded { mirror, refused },
        ))
    }

    /// Writes a state. When it returns, the state is on disk; when it fails, the one before still is.
    ///
    /// # Errors
    /// What the file system said.
    pub(crate) fn store(&mut self, mirror: &Mirror) -> io::Result<()> {
        let generation = self.generation + 1;
        // The older file is the one that is replaced.
        let name = if generation.is_multiple_of(2) {
            NAMES[0]
        } else {
            NAMES[1]
        };
        let (path, beside) = (self.dir.join(name), self.dir.join(format!("{name}.new")));
        let mut options = OpenOptions::new();
        // Keys of certificates and consumers are in it.
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&beside)?;
        file.write_all(&format::encode(generation, mirror))?;
        file.sync_all()?;
        fs::rename(&beside, &path)?;
        File::open(&self.dir)?.sync_all()?;
        self.generation = generation;
        Ok(())
    }
}
