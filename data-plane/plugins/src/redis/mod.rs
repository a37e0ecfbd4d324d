//! Counting together with other agents, in Redis: its settings, one call, and what is said when it
//! fails.

mod settings;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use weir_plugin_api::outside::{Pending, RedisCall, RedisServer, RedisValue};
use weir_plugin_api::{CompileContext, Host};

pub use settings::{Policy, RedisSettings, Role, Sentinel};

/// Values longer than this are told by their digest, so that clients do not fill the memory of
/// Redis with what they send.
const LONGEST_VALUE: usize = 64;

/// How often a failing Redis is complained about.
const COMPLAINT_EVERY: Duration = Duration::from_secs(1);

/// Numbers that scripts get are doubles there: exact up to this.
pub(crate) const MOST: u64 = 1 << 53;

/// The keys of one plugin configuration in one Redis.
pub(crate) struct Store {
    server: Arc<RedisServer>,
    prefix: String,
    plugin: &'static str,
    /// When the last failure was told, in milliseconds of the host's clock; 0 is never.
    told: AtomicU64,
}

impl Store {
    /// The keys of `plugin` on its owner; `group` makes them those of all that name it.
    pub(crate) fn new(
        plugin: &'static str,
        server: RedisServer,
        context: &CompileContext<'_>,
        group: Option<&str>,
    ) -> Self {
        let owner = context.owner.map(ToString::to_string).unwrap_or_default();
        let prefix = match group {
            Some(group) => format!("weir:{plugin}:group:{}", name(group)),
            None => format!("weir:{plugin}:{owner}:{}", context.fingerprint),
        };
        Self {
            server: Arc::new(server),
            prefix,
            plugin,
            told: AtomicU64::new(0),
        }
    }

    /// The key in Redis of what is counted by `value`.
    pub(crate) fn key(&self, value: &str) -> String {
        format!("{}:{}", self.prefix, name(value))
    }

    /// Runs `script` on one key.
    pub(crate) fn call(
        &self,
        host: &dyn Host,
        script: &'static str,
        key: String,
        args: Vec<String>,
    ) -> Pending<RedisValue> {
        let call = RedisCall {
            script,
            keys: vec![key],
            args,
        };
        host.outside().redis(&self.server, call)
    }

    /// Says that a call failed, once in a while.
    pub(crate) fn complain(&self, host: &dyn Host, problem: &dyn std::fmt::Display) {
        let now = host.unix_ms();
        let told = self.told.load(Ordering::Relaxed);
        let every = u64::try_from(COMPLAINT_EVERY.as_millis()).unwrap_or(u64::MAX);
        let due = now >= told.saturating_add(every);
        let exchange = || {
            self.told
                .compare_exchange(told, now, Ordering::Relaxed, Ordering::Relaxed)
        };
        if due && exchange().is_ok() {
            tracing::warn!(plugin = self.plugin, %problem, "redis cannot count");
        }
    }
}

/// A value as a part of a key: as it is when it is short and plain, else its digest.
fn name(value: &str) -> String {
    // Braces choose the slot of a cluster, which is not for clients to do.
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'{' && byte != b'}' && byte != b'#';
    if value.len() <= LONGEST_VALUE && value.bytes().all(plain) {
        return value.to_owned();
    }
    let digest = digest(&SHA256, value.as_bytes());
    let hex = digest
        .as_ref()
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"));
    format!("#{}", hex.collect::<String>())
}

/// The numbers that a script returned.
///
/// # Errors
/// It returned something else.
pub(crate) fn numbers<const N: usize>(value: &RedisValue) -> Result<[i64; N], String> {
    let numbers = value.as_integers();
    let numbers = numbers.and_then(|numbers| <[i64; N]>::try_from(numbers).ok());
    numbers.ok_or_else(|| format!("expected {N} numbers, got {value:?}"))
}

/// A time of so many milliseconds; none when it is negative.
pub(crate) fn milliseconds(number: i64) -> Duration {
    Duration::from_millis(u64::try_from(number).unwrap_or(0))
}
