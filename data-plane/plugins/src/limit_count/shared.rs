//! Windows in Redis: one script in one round trip, on the clock of Redis, so that all agents agree.

use std::time::Duration;

use weir_plugin_api::Host;

use super::window::Verdict;
use crate::redis::{MOST, Store, milliseconds, numbers};

/// A window that starts with the first request of its key. A refusal changes nothing.
const FIXED: &str = "
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local left = redis.call('PTTL', KEYS[1])
local used = 0
if left > 0 then
  used = tonumber(redis.call('GET', KEYS[1]))
else
  left = window
end
if used + 1 > limit then
  return {0, 0, left}
end
if used == 0 then
  redis.call('SET', KEYS[1], 1, 'PX', ARGV[2])
else
  redis.call('INCR', KEYS[1])
end
return {1, limit - used - 1, left}
";

/// The window before counts by the part of it that still overlaps. A refusal changes nothing.
const SLIDING: &str = "
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local state = redis.call('HMGET', KEYS[1], 'start', 'used', 'previous', 'window')
local start, used, previous = tonumber(state[1]), tonumber(state[2]), tonumber(state[3])
if not start or tonumber(state[4]) ~= window or now >= start + 2 * window then
  start, used, previous = now, 0, 0
elseif now >= start + window then
  start, used, previous = start + window, 0, used
end
local left = math.max(0, math.min(window, start + window - now))
local taken = previous * left / window + used + 1
if taken > limit then
  return {0, 0, left}
end
redis.call('HSET', KEYS[1], 'start', string.format('%.0f', start), 'used', used + 1, 'previous', previous, 'window', ARGV[2])
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', 2 * window))
return {1, math.floor(limit - taken), left}
";

/// Adds requests that were let in already to the window that is running; none is, when it is over.
const ADD: &str = "
local left = redis.call('PTTL', KEYS[1])
if left <= 0 then
  return {0, 0}
end
return {redis.call('INCRBY', KEYS[1], ARGV[1]), left}
";

/// Tells of `some` requests under `value` that were let in: how many there are then in the window,
/// and the time until it ends.
///
/// # Errors
/// Why Redis did not take them.
pub(super) async fn add(
    store: &Store,
    host: &dyn Host,
    value: &str,
    some: u64,
) -> Result<(u64, Duration), String> {
    let args = vec![some.to_string()];
    let answer = store.call(host, ADD, store.key(value), args).await;
    let answer = answer.map_err(|error| error.to_string())?;
    let [used, left] = numbers::<2>(&answer)?;
    Ok((u64::try_from(used).unwrap_or(0), milliseconds(left)))
}

/// Counts one request under `value`.
///
/// # Errors
/// Why Redis did not count it.
pub(super) async fn count(
    store: &Store,
    host: &dyn Host,
    value: &str,
    sliding: bool,
    count: u64,
    length: Duration,
) -> Result<Verdict, String> {
    let script = if sliding { SLIDING } else { FIXED };
    let window = u64::try_from(length.as_millis()).unwrap_or(MOST);
    let args = vec![
        count.min(MOST).to_string(),
        window.clamp(1, MOST).to_string(),
    ];
    let answer = store.call(host, script, store.key(value), args).await;
    let answer = answer.map_err(|error| error.to_string())?;
    let [allowed, remaining, reset] = numbers::<3>(&answer)?;
    Ok(Verdict {
        allowed: allowed == 1,
        remaining: u64::try_from(remaining).unwrap_or(0),
        reset: milliseconds(reset),
    })
}
