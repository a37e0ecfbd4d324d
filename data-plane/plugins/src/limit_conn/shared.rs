//! Requests being served, counted in Redis: each is a member of a set with its own end, so that what an
//! agent leaves behind when it dies is forgotten in time.

use std::time::Duration;

use weir_plugin_api::Host;
use weir_plugin_api::outside::{Pending, RedisValue};

use super::limit::Room;
use crate::redis::{MOST, Store, numbers};

/// Adds a request when there is room: how many there are then, or -1.
const ENTER: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local active = redis.call('ZCARD', KEYS[1]) + 1
if active > tonumber(ARGV[1]) then
  return -1
end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return active
";

const LEAVE: &str = "return redis.call('ZREM', KEYS[1], ARGV[1])";

/// Lets the request `member` in under `key`: how many there are then, or `None` when there is no room.
///
/// # Errors
/// Why Redis did not say.
pub(super) async fn enter(
    store: &Store,
    host: &dyn Host,
    key: String,
    member: &str,
    room: Room,
    life: Duration,
) -> Result<Option<u64>, String> {
    let most = room.conn.saturating_add(room.burst).min(MOST);
    let life = u64::try_from(life.as_millis())
        .unwrap_or(MOST)
        .clamp(1, MOST);
    let args = vec![most.to_string(), life.to_string(), member.to_owned()];
    let answer = store.call(host, ENTER, key, args).await;
    let answer = answer.map_err(|error| error.to_string())?;
    let [active] = numbers::<1>(&answer)?;
    Ok(u64::try_from(active).ok())
}

/// Takes the request `member` out again.
pub(super) fn leave(
    store: &Store,
    host: &dyn Host,
    key: String,
    member: &str,
) -> Pending<RedisValue> {
    store.call(host, LEAVE, key, vec![member.to_owned()])
}
