//! When something was seen.

use weir_plugin_api::Host;

use crate::runtime::Environment;
use crate::upstream::node::milliseconds;

/// A time on both clocks, and a random number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds since the epoch.
    pub unix_ms: u64,
    /// Milliseconds on a clock that never goes back.
    pub monotonic_ms: u64,
    /// 64 random bits.
    pub random: u64,
}

impl Moment {
    /// Now, for a request.
    #[must_use]
    pub fn of_host(host: &dyn Host) -> Self {
        Self {
            unix_ms: host.unix_ms(),
            monotonic_ms: milliseconds(host.monotonic()),
            random: host.random(),
        }
    }

    /// Now, in the background.
    #[must_use]
    pub fn of(environment: &dyn Environment) -> Self {
        Self {
            unix_ms: environment.unix_ms(),
            monotonic_ms: milliseconds(environment.monotonic()),
            random: environment.random(),
        }
    }
}
