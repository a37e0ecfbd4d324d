//! The last good state on disk, so that an agent starts and serves with every control node dead.
//!
//! Two files are written in turns, for the resources and again for the endpoints, which change at
//! their own pace. Each has a header line with format version, generation and SHA-256 of what
//! follows; a file that is torn, flipped or of an unknown format counts as absent, and the other
//! one is the last good state. A file is complete before it gets its name: written beside it,
//! synced, renamed, and the directory synced.

mod content;
mod format;
mod pair;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use weir_model::endpoint::Endpoints;

use super::mirror::Mirror;
use pair::Pair;

/// The cache of one agent.
#[derive(Debug)]
pub(crate) struct Cache {
    dir: PathBuf,
    state: Pair<Mirror>,
    endpoints: Pair<Endpoints>,
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
    /// When the directory cannot be made; never because of a file in it.
    pub(crate) fn open(dir: &Path) -> io::Result<(Self, Loaded)> {
        fs::create_dir_all(dir)?;
        let (state, found) = Pair::open(dir, "state");
        let (endpoints, known) = Pair::<Endpoints>::open(dir, "endpoints");
        let refused = [found.refused, known.refused].concat();
        let known = known.newest.unwrap_or_default();
        let mirror = found.newest.map(|mirror: Mirror| Mirror {
            endpoints: known,
            ..mirror
        });
        let dir = dir.to_owned();
        let cache = Self {
            dir,
            state,
            endpoints,
        };
        Ok((cache, Loaded { mirror, refused }))
    }

    /// Looks which files are the newest: another process wrote some since this one looked.
    pub(crate) fn look_again(&mut self) {
        self.state = Pair::open(&self.dir, "state").0;
        self.endpoints = Pair::open(&self.dir, "endpoints").0;
    }

    /// Writes the resources of a state. When it returns, they are on disk; when it fails, the ones
    /// before still are.
    ///
    /// # Errors
    /// What the file system said.
    pub(crate) fn store(&mut self, mirror: &Mirror) -> io::Result<()> {
        self.state.store(mirror)
    }

    /// The same for endpoints.
    ///
    /// # Errors
    /// What the file system said.
    pub(crate) fn store_endpoints(&mut self, endpoints: &Endpoints) -> io::Result<()> {
        self.endpoints.store(endpoints)
    }
}
