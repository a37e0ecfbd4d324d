//! What the proxy says about itself: the access log and the metrics.

pub mod access_log;
pub mod json;
pub mod metrics;
pub mod panics;
pub mod sparse;
pub mod tries;
