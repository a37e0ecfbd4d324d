//! Configuration of `udp-logger`.

use serde::{Deserialize, Serialize};

use crate::logging::{BatchOptions, EntryOptions};

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Name or address of the server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Seconds to send.
    #[serde(default = "three")]
    pub timeout: u64,
    /// Name of the batch processor.
    #[serde(default = "name")]
    pub name: String,
    /// What is logged.
    #[serde(flatten)]
    pub entry: EntryOptions,
    /// When it is sent.
    #[serde(flatten)]
    pub batch: BatchOptions,
}

const fn three() -> u64 {
    3
}

fn name() -> String {
    "udp logger".into()
}
