//! The section `proxy` of the agent's file: what APISIX has no option for.

use std::path::PathBuf;

use serde_json::Value;
use weir_proxy::gateway::Limits;

use super::document::Section;
use super::limits;
use super::size::{self, Size};

/// Most memory that one body may be given: every open request may need it.
const MOST_MEMORY: u64 = 16 << 20;

/// How the proxy of this agent behaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxy {
    /// `proxy.reason_header`: failures tell their reason in the field `X-Weir-Reason`.
    pub reason_header: bool,
    /// `proxy.replay`: how much of request bodies is kept for another try.
    pub replay: Replay,
    /// `proxy.limits`: what clients may take. What has an option of APISIX's or a place below
    /// `variables` is set there.
    pub limits: Limits,
}

/// Bounds for the request bodies that are kept so that another node can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// Bytes of one body in memory.
    pub memory: u64,
    /// Bytes of one body in memory and on disk; not above `memory` means that nothing goes to disk.
    pub size: u64,
    /// Bytes on disk of all bodies together.
    pub total: u64,
    /// Where bodies lie on disk; `None` is the agent's data directory.
    pub dir: Option<PathBuf>,
}

impl Default for Replay {
    fn default() -> Self {
        Self {
            memory: 64 << 10,
            size: 64 << 20,
            total: 1 << 30,
            dir: None,
        }
    }
}

/// Reads the section.
pub(crate) fn read(root: &mut Section<'_>) -> Proxy {
    let mut section = root.section("proxy");
    let mut proxy = Proxy {
        reason_header: section.switch("reason_header").unwrap_or_default(),
        replay: Replay::default(),
        limits: Limits::default(),
    };
    let mut replay = section.section("replay");
    read_replay(&mut replay, &mut proxy.replay);
    replay.finish();
    let mut bounds = section.section("limits");
    limits::read(&mut bounds, &mut proxy.limits);
    bounds.finish();
    section.finish();
    proxy
}

fn read_replay(section: &mut Section<'_>, replay: &mut Replay) {
    let fields = [
        ("memory", &mut replay.memory),
        ("size", &mut replay.size),
        ("total", &mut replay.total),
    ];
    for (name, field) in fields {
        if let Some(Size(bytes)) = section.parsed(name, size::EXPECTED) {
            *field = bytes;
        }
    }
    if replay.memory > MOST_MEMORY {
        section.refuse("memory", "16m or less", &Value::from(replay.memory));
    }
    replay.dir = section.text("dir").map(PathBuf::from);
}
