//! The built-in plugins.
//!
//! [`BUILTIN`] is the one table: a new plugin adds one `pub mod` line and one line of the table.

pub mod catalog;

use weir_plugin_api::Entry;

pub use catalog::Builtin;

/// Every plugin of this build, by falling priority.
pub static BUILTIN: &[Entry] = &[];
