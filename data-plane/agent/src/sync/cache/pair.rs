//! Two files of one content, written in turns.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::marker::PhantomData;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::content::Content;
use super::format;

/// The files `NAME-a.cache` and `NAME-b.cache`.
#[derive(Debug)]
pub(super) struct Pair<T> {
    paths: [PathBuf; 2],
    /// Number of the newest file; 0 when there is none.
    generation: u64,
    content: PhantomData<T>,
}

/// What was found at the start.
#[derive(Debug)]
pub(super) struct Found<T> {
    /// The newest good content, if any.
    pub(super) newest: Option<T>,
    /// Files that cannot be used, and why.
    pub(super) refused: Vec<String>,
}

impl<T: Content> Pair<T> {
    /// Reads the newest good content in `dir`. A file that cannot be read or used is told of, and
    /// the other one counts.
    pub(super) fn open(dir: &Path, name: &str) -> (Self, Found<T>) {
        let paths = ["a", "b"].map(|side| dir.join(format!("{name}-{side}.cache")));
        let mut newest: Option<(u64, T)> = None;
        let mut refused = Vec::new();
        let mut generation = 0;
        for path in &paths {
            let bytes = match fs::read(path) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                // The other file may be good.
                Err(error) => {
                    refused.push(format!("{}: {error}", path.display()));
                    continue;
                }
            };
            let read =
                format::decode(&bytes).and_then(|(number, body)| Ok((number, T::from_json(body)?)));
            match read {
                Ok((number, content)) => {
                    generation = generation.max(number);
                    if newest.as_ref().is_none_or(|(known, _)| *known < number) {
                        newest = Some((number, content));
                    }
                }
                Err(error) => refused.push(format!("{}: {error}", path.display())),
            }
        }
        let pair = Self {
            paths,
            generation,
            content: PhantomData,
        };
        let newest = newest.map(|(_, content)| content);
        (pair, Found { newest, refused })
    }

    /// Writes a content. When it returns, the content is on disk; when it fails, the one before
    /// still is.
    ///
    /// # Errors
    /// What the file system said.
    pub(super) fn store(&mut self, content: &T) -> io::Result<()> {
        let generation = self.generation + 1;
        // The older file is the one that is replaced.
        let [even, odd] = &self.paths;
        let path = if generation.is_multiple_of(2) {
            even
        } else {
            odd
        };
        let beside = path.with_extension("cache.new");
        let mut options = OpenOptions::new();
        // Keys of certificates and consumers are in it.
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&beside)?;
        file.write_all(&format::encode(generation, content.to_json()))?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        if let Some(dir) = path.parent() {
            File::open(dir)?.sync_all()?;
        }
        self.generation = generation;
        Ok(())
    }
}
