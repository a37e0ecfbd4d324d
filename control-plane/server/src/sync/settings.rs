//! Limits of the streams to agents, with their reasons.

use std::time::Duration;

/// Limits of the streams.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// Between two heartbeats. An agent gives a stream up after a few of them did not come.
    pub(crate) heartbeat: Duration,
    /// From the last message of an agent to the end of its stream. Agents report every 3 s.
    pub(crate) silence: Duration,
    /// From one chunk to room for the next. Whoever reads slower starts over with a new stream.
    pub(crate) stall: Duration,
    /// From the last chunk to its acknowledgement: the agent compiles and publishes meanwhile.
    pub(crate) acknowledge: Duration,
    /// How long an agent that is ahead of this node, or a node without cluster, is waited for.
    pub(crate) catch_up: Duration,
    /// How long this node may be without a majority before its agents are sent elsewhere: it does
    /// not hear of changes any more.
    pub(crate) detached: Duration,
    /// Between two full sets because of the same drift.
    pub(crate) drift: Duration,
    /// Resources are put into one chunk up to this size; one larger than it travels alone.
    pub(crate) chunk_bytes: usize,
    /// Full sets on their way at once.
    pub(crate) full_sets: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(3),
            silence: Duration::from_secs(15),
            stall: Duration::from_secs(30),
            acknowledge: Duration::from_secs(60),
            catch_up: Duration::from_secs(5),
            detached: Duration::from_secs(10),
            drift: Duration::from_secs(60),
            chunk_bytes: 256 * 1024,
            full_sets: 32,
        }
    }
}
