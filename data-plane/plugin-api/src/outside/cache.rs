//! Zones in which answers are kept: what the agent's file declares.

use std::path::PathBuf;
use std::time::Duration;

/// All zones of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheZones {
    /// Life of an answer in a file that does not say how long it lives.
    pub ttl: Duration,
    /// The zones; names are unique.
    pub zones: Vec<CacheZone>,
}

impl CacheZones {
    /// [`CacheZones::ttl`], unless the file says otherwise.
    pub const TTL: Duration = Duration::from_secs(10);
    /// [`CacheZone::memory`], unless the file says otherwise.
    pub const MEMORY: u64 = 50 << 20;
    /// [`CacheDisk::size`], unless the file says otherwise.
    pub const DISK: u64 = 1 << 30;
}

/// One zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheZone {
    /// Name in configurations.
    pub name: String,
    /// Bytes of memory: bodies and heads, or heads alone when bodies are in files.
    pub memory: u64,
    /// Where bodies lie; `None` is in memory.
    pub disk: Option<CacheDisk>,
}

/// Files of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheDisk {
    /// A folder of its own.
    pub folder: PathBuf,
    /// Bytes of all files together.
    pub size: u64,
    /// Characters of the names of folders inside each other: 1 or 2 each, three levels at most.
    pub levels: Vec<usize>,
}
