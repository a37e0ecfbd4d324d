//! The host services before the first runtime: there is nobody to find.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use weir_plugin_api::{Consumer, Host};

struct Nobody {
    start: Instant,
}

/// The services of a gateway without runtime.
#[must_use]
pub fn host() -> Arc<dyn Host> {
    static NOBODY: OnceLock<Arc<Nobody>> = OnceLock::new();
    let nobody = NOBODY.get_or_init(|| {
        Arc::new(Nobody {
            start: Instant::now(),
        })
    });
    Arc::clone(nobody) as Arc<dyn Host>
}

impl Host for Nobody {
    fn unix_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn random(&self) -> u64 {
        rand::random()
    }

    fn find_consumer(&self, _plugin: &str, _key: &str) -> Option<Arc<Consumer>> {
        None
    }

    fn consumer_by_name(&self, _name: &str) -> Option<Arc<Consumer>> {
        None
    }

    fn hostname(&self) -> &str {
        ""
    }
}
