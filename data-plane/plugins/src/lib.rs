#![doc = include_str!("../README.md")]

pub mod attach_consumer_label;
mod authentication;
pub mod basic_auth;
pub mod catalog;
pub mod consumer_restriction;
pub mod cors;
pub mod csrf;
pub mod echo;
mod header_edit;
pub mod hmac_auth;
pub mod ip_restriction;
mod jwt;
pub mod jwt_auth;
pub mod key_auth;
pub mod limit_count;
pub mod limit_req;
pub mod multi_auth;
pub mod prometheus;
pub mod proxy_rewrite;
pub mod real_ip;
pub mod redirect;
pub mod referer_restriction;
mod refusal;
pub mod response_rewrite;
mod substitution;
mod table;
#[cfg(test)]
mod tests;
pub mod ua_restriction;
pub mod uri_blocker;

use weir_plugin_api::Entry;

pub use catalog::Builtin;

/// Every plugin of this build, by falling priority. A new plugin adds one line here and one above.
pub static BUILTIN: &[Entry] = &TABLE;

/// The table itself; it holds parsed schemas, so that it needs a place of its own.
static TABLE: [Entry; 21] = [
    Entry::of::<real_ip::RealIp>(),
    Entry::of::<cors::Cors>(),
    Entry::of::<ip_restriction::IpRestriction>(),
    Entry::of::<ua_restriction::UaRestriction>(),
    Entry::of::<referer_restriction::RefererRestriction>(),
    Entry::of::<csrf::Csrf>(),
    Entry::of::<uri_blocker::UriBlocker>(),
    Entry::of::<multi_auth::MultiAuth>(),
    Entry::of::<hmac_auth::HmacAuth>(),
    Entry::of::<basic_auth::BasicAuth>(),
    Entry::of::<jwt_auth::JwtAuth>(),
    Entry::of::<key_auth::KeyAuth>(),
    Entry::of::<consumer_restriction::ConsumerRestriction>(),
    Entry::of::<attach_consumer_label::AttachConsumerLabel>(),
    Entry::of::<proxy_rewrite::ProxyRewrite>(),
    Entry::of::<limit_count::LimitCount>(),
    Entry::of::<limit_req::LimitReq>(),
    Entry::of::<redirect::Redirect>(),
    Entry::of::<response_rewrite::ResponseRewrite>(),
    Entry::of::<prometheus::Prometheus>(),
    Entry::of::<echo::Echo>(),
];
