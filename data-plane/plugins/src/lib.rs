#![doc = include_str!("../README.md")]

pub mod catalog;
mod header_edit;
pub mod key_auth;
pub mod limit_count;
pub mod limit_req;
pub mod prometheus;
pub mod proxy_rewrite;
pub mod response_rewrite;
mod substitution;
mod table;
#[cfg(test)]
mod tests;

use weir_plugin_api::Entry;

pub use catalog::Builtin;

/// Every plugin of this build, by falling priority. A new plugin adds one line here and one above.
pub static BUILTIN: &[Entry] = &TABLE;

/// The table itself; it holds parsed schemas, so that it needs a place of its own.
static TABLE: [Entry; 6] = [
    Entry::of::<key_auth::KeyAuth>(),
    Entry::of::<proxy_rewrite::ProxyRewrite>(),
    Entry::of::<limit_count::LimitCount>(),
    Entry::of::<limit_req::LimitReq>(),
    Entry::of::<response_rewrite::ResponseRewrite>(),
    Entry::of::<prometheus::Prometheus>(),
];
