//! Configuration of `request-id`.

use serde::{Deserialize, Serialize};

/// What an operator writes on a route, service, consumer or global rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Header that carries the id.
    pub header_name: String,
    /// Whether the client is told the id.
    pub include_in_response: bool,
    /// How an id is made.
    pub algorithm: Algorithm,
    /// Shape of the ids of `range_id`.
    pub range_id: RangeId,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            header_name: "X-Request-Id".into(),
            include_in_response: true,
            algorithm: Algorithm::Uuid,
            range_id: RangeId::default(),
        }
    }
}

/// How an id is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// UUID version 4: random.
    Uuid,
    /// 21 characters out of 64.
    Nanoid,
    /// Characters of a set of one's own.
    RangeId,
    /// Seconds and 16 random bytes, in 27 characters of base 62 that sort by time.
    Ksuid,
    /// UUID version 7: milliseconds, then random.
    Uuidv7,
}

/// Shape of the ids of `range_id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RangeId {
    /// Characters of an id, 6 to 1024.
    pub length: usize,
    /// Characters that it is made of: at least 6, visible ASCII.
    pub char_set: String,
}

impl Default for RangeId {
    fn default() -> Self {
        Self {
            length: 16,
            // As APISIX has it: `I` stands in it twice, `J` not at all.
            char_set: "abcdefghijklmnopqrstuvwxyzABCDEFGHIGKLMNOPQRSTUVWXYZ0123456789".into(),
        }
    }
}
