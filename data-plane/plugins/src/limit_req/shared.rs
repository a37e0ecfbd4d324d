//! Buckets in Redis: one script in one round trip, on the clock of Redis, so that all agents agree.

use std::time::Duration;

use weir_plugin_api::Host;

use super::bucket::Shape;
use crate::redis::{Store, numbers};

/// The law of [`super::bucket::Bucket`]. A refusal changes nothing; an empty bucket is forgotten. The wait
/// comes back in microseconds, since numbers lose their fractions on the way.
const ARRIVE: &str = "
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local state = redis.call('HMGET', KEYS[1], 'excess', 'last')
local excess = 0
if state[1] then
  local last = tonumber(state[2])
  if now < last then
    now = last
  end
  excess = math.max(0, tonumber(state[1]) - rate * (now - last) / 1000000 + 1)
end
if excess > burst then
  return {0, 0}
end
local empty = math.ceil((excess + 1) / rate * 1000) + 1
redis.call('HSET', KEYS[1], 'excess', string.format('%.17g', excess), 'last', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.min(empty, 3155760000000)))
return {1, math.min(math.floor(excess / rate * 1000000), 3155760000000000)}
";

/// Lets one request in under `value`: how long it waits, or `None` when the bucket is full.
///
/// # Errors
/// Why Redis did not say.
pub(super) async fn arrive(
    store: &Store,
    host: &dyn Host,
    value: &str,
    shape: Shape,
) -> Result<Option<Duration>, String> {
    let args = vec![shape.rate.to_string(), shape.burst.to_string()];
    let answer = store.call(host, ARRIVE, store.key(value), args).await;
    let answer = answer.map_err(|error| error.to_string())?;
    let [admitted, wait] = numbers::<2>(&answer)?;
    let wait = Duration::from_micros(u64::try_from(wait).unwrap_or(0));
    Ok((admitted == 1).then_some(wait))
}
