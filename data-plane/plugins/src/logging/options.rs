//! Settings that all logging plugins have.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use weir_plugin_api::CompileContext;

/// What is logged of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EntryOptions {
    /// Fields of an entry, in place of the default ones: constants, variables (`$name`), objects.
    pub log_format: Option<Map<String, Value>>,
    /// Fields besides.
    pub log_format_extra: Option<Map<String, Value>>,
    /// Whether the request's body is logged.
    pub include_req_body: bool,
    /// Only when this expression holds.
    pub include_req_body_expr: Option<Vec<Value>>,
    /// Whether the answer's body is logged.
    pub include_resp_body: bool,
    /// Only when this expression holds.
    pub include_resp_body_expr: Option<Vec<Value>>,
    /// Bytes of a request's body that are logged.
    pub max_req_body_bytes: usize,
    /// Bytes of an answer's body that are logged.
    pub max_resp_body_bytes: usize,
}

impl Default for EntryOptions {
    fn default() -> Self {
        Self {
            log_format: None,
            log_format_extra: None,
            include_req_body: false,
            include_req_body_expr: None,
            include_resp_body: false,
            include_resp_body_expr: None,
            max_req_body_bytes: 512 * 1024,
            max_resp_body_bytes: 512 * 1024,
        }
    }
}

/// When entries are sent. Times are in seconds. The plugin gives the default of `name`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BatchOptions {
    /// Entries of one batch.
    pub batch_max_size: usize,
    /// A batch leaves when nothing came for so long.
    pub inactive_timeout: u64,
    /// A batch leaves when its oldest entry is so old.
    pub buffer_duration: u64,
    /// How often a batch that could not be sent is tried again.
    pub max_retry_count: u32,
    /// Pause between two tries.
    pub retry_delay: u64,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self {
            batch_max_size: 1000,
            inactive_timeout: 5,
            buffer_duration: 60,
            max_retry_count: 0,
            retry_delay: 1,
        }
    }
}

/// Metadata of logging plugins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// As in [`EntryOptions`], for all that have none of their own.
    pub log_format: Option<Map<String, Value>>,
    /// As in [`EntryOptions`], for all that have none of their own.
    pub log_format_extra: Option<Map<String, Value>>,
    /// Entries that wait or are under way; more are dropped.
    pub max_pending_entries: usize,
}

impl Default for Metadata {
    fn default() -> Self {
        Self {
            log_format: None,
            log_format_extra: None,
            max_pending_entries: 8192,
        }
    }
}

impl Metadata {
    /// What is stored, or the defaults.
    ///
    /// # Errors
    /// It has another form.
    pub(crate) fn of(context: &CompileContext<'_>) -> Result<Self, String> {
        match &context.metadata {
            None => Ok(Self::default()),
            Some(stored) => {
                let read = Self::deserialize(&**stored);
                let mut metadata = read.map_err(|error| format!("metadata: {error}"))?;
                // As in APISIX: there it is the default, and chooses nothing.
                metadata.log_format = metadata.log_format.filter(|format| !format.is_empty());
                Ok(metadata)
            }
        }
    }

    /// Names of the further fields of entries whose configuration has these `own` ones.
    pub(crate) fn extra_names(&self, own: Option<&Map<String, Value>>) -> Vec<String> {
        let extra = own.or(self.log_format_extra.as_ref());
        extra.into_iter().flat_map(Map::keys).cloned().collect()
    }
}
