//! Where addresses are, by a MaxMind-format file. It is read once, when the agent starts.

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::path::Path;

use anyhow::Context as _;
use maxminddb::{Reader, path};
use weir_plugin_api::Location;
use weir_proxy::runtime::Locations;

/// A file of countries (or cities) by network.
pub(crate) struct GeoFile {
    reader: Reader<Vec<u8>>,
}

impl GeoFile {
    /// Reads the file whole.
    ///
    /// # Errors
    /// It cannot be read, or is not of this format.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let reader = Reader::open_readfile(path).with_context(|| {
            format!(
                "variables.geoip_file: expected a MaxMind DB file at {}",
                path.display()
            )
        })?;
        Ok(Self { reader })
    }
}

impl Locations for GeoFile {
    fn of(&self, address: IpAddr) -> Option<Location> {
        // An address that the file does not cover is an error to the reader; to us it is unknown.
        let found = self.reader.lookup(address).ok()?;
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
