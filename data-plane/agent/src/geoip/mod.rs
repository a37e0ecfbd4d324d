//! Where addresses are, by a MaxMind-format file. It is read whole when the agent starts, and again
//! when it is another.

#[cfg(test)]
mod tests;

use std::fs::Metadata;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use arc_swap::ArcSwap;
use maxminddb::{Reader, path};
use weir_plugin_api::Location;
use weir_proxy::runtime::Locations;

/// A file of countries (or cities) by network.
pub(crate) struct GeoFile {
    path: PathBuf,
    reader: ArcSwap<Reader<Vec<u8>>>,
    looks: Mutex<Looks>,
}

/// What the file looked like; `None` when it was not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look(Option<(u64, u64, i64, i64)>);

impl Look {
    fn at(path: &Path) -> Self {
        let told = |file: Metadata| (file.ino(), file.len(), file.mtime(), file.mtime_nsec());
        Self(std::fs::metadata(path).ok().map(told))
    }
}

#[derive(Debug)]
struct Looks {
    /// When it was last read, or could not be.
    read: Look,
    last: Look,
}

impl GeoFile {
    /// Reads the file whole.
    ///
    /// # Errors
    /// It cannot be read, or is not of this format.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let look = Look::at(path);
        Ok(Self {
            path: path.to_owned(),
            reader: ArcSwap::from_pointee(read(path)?),
            looks: Mutex::new(Looks {
                read: look,
                last: look,
            }),
        })
    }

    /// Reads the file anew if it is another, and has been since the last look: one that is being
    /// written is left alone. What cannot be used does not replace what can. Blocks.
    pub(crate) fn look_again(&self) {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Look::at(&self.path);
        let is_settled = std::mem::replace(&mut looks.last, now) == now;
        if !is_settled || looks.read == now {
            return;
        }
        looks.read = now;
        match read(&self.path) {
            Ok(reader) => {
                let built = reader.metadata().build_epoch;
                tracing::info!(path = %self.path.display(), built, "another file of places is in use");
                self.reader.store(Arc::new(reader));
            }
            Err(error) => tracing::warn!("{error:#}; the one before stays in use"),
        }
    }
}

fn read(path: &Path) -> anyhow::Result<Reader<Vec<u8>>> {
    Reader::open_readfile(path).with_context(|| {
        format!(
            "variables.geoip_file: expected a MaxMind DB file at {}",
            path.display()
        )
    })
}

impl Locations for GeoFile {
    fn of(&self, address: IpAddr) -> Option<Location> {
        // An address that the file does not cover is an error to the reader; to us it is unknown.
        let reader = self.reader.load();
        let found = reader.lookup(address).ok()?;
        let text = |path: &[maxminddb::PathElement<'_>]| {
            let code: Option<String> = found.decode_path(path).ok().flatten();
            code.filter(|code| !code.is_empty())
        };
        Some(Location {
            country: text(&path!["country", "iso_code"]),
            continent: text(&path!["continent", "code"]),
        })
    }
}
