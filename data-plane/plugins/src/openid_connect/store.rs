//! A Redis for sessions: what is sealed, by a name that nobody guesses.

use std::sync::Arc;
use std::time::Duration;

use weir_plugin_api::Host;
use weir_plugin_api::outside::{RedisAddress, RedisCall, RedisServer, RedisValue};

use super::options::{self, Storage};

const GET: &str = "return redis.call('GET', KEYS[1])";
/// `ARGV`: the text, seconds, and whether only what is there is replaced.
const SET: &str = "local options = {} \
    if ARGV[2] ~= '0' then options = {'EX', ARGV[2]} end \
    if ARGV[3] == 'true' then options[#options + 1] = 'XX' end \
    return redis.call('SET', KEYS[1], ARGV[1], unpack(options))";
const DELETE: &str = "return redis.call('DEL', KEYS[1])";

/// Bytes of a sealed session: what unpacks to more is not opened again.
const LARGEST: usize = 128 * 1024;

/// The sessions of one configuration in one Redis.
pub(super) struct Store {
    server: Arc<RedisServer>,
    prefix: String,
}

impl Store {
    /// The Redis of a configuration; `None` where sessions are kept in cookies.
    ///
    /// # Errors
    /// What cannot work.
    pub(super) fn compile(session: Option<&options::Session>) -> Result<Option<Self>, String> {
        let Some(session) = session.filter(|session| session.storage == Storage::Redis) else {
            return Ok(None);
        };
        let redis = session.redis.clone().unwrap_or_default();
        if redis.server_name.is_some_and(|name| name != redis.host) {
            return Err(
                "session.redis.server_name: the certificate is checked for host; name the server there"
                    .into(),
            );
        }
        let slowest = redis.connect_timeout.max(redis.send_timeout);
        Ok(Some(Self {
            server: Arc::new(RedisServer {
                address: RedisAddress::Single(redis.host, redis.port),
                username: redis.username,
                password: redis.password.filter(|password| !password.is_empty()),
                database: redis.database,
                tls: redis.ssl.then_some(redis.ssl_verify),
                timeout: Duration::from_millis(slowest.max(redis.read_timeout)),
            }),
            prefix: redis.prefix,
        }))
    }

    /// What is kept under a name.
    ///
    /// # Errors
    /// It cannot be said.
    pub(super) async fn get(&self, host: &dyn Host, name: &str) -> Result<Option<String>, String> {
        match self.call(host, GET, name, Vec::new()).await? {
            RedisValue::Text(text) => Ok(String::from_utf8(text.to_vec()).ok()),
            _ => Ok(None),
        }
    }

    /// Keeps a text under a name for so many seconds; 0 is for ever. A name that `is_known` stays
    /// forgotten when it was forgotten in between.
    ///
    /// # Errors
    /// It is not kept.
    pub(super) async fn put(
        &self,
        host: &dyn Host,
        name: &str,
        is_known: bool,
        text: String,
        life: u64,
    ) -> Result<(), String> {
        if text.len() > LARGEST {
            return Err(format!("a session of {} bytes is too large", text.len()));
        }
        let args = vec![text, life.to_string(), is_known.to_string()];
        self.call(host, SET, name, args).await.map(drop)
    }

    /// Forgets what is kept under a name.
    ///
    /// # Errors
    /// It may still be there.
    pub(super) async fn delete(&self, host: &dyn Host, name: &str) -> Result<(), String> {
        self.call(host, DELETE, name, Vec::new()).await.map(drop)
    }

    async fn call(
        &self,
        host: &dyn Host,
        script: &'static str,
        name: &str,
        args: Vec<String>,
    ) -> Result<RedisValue, String> {
        let call = RedisCall {
            script,
            keys: vec![format!("{}:{name}", self.prefix)],
            args,
        };
        let outcome = host.outside().redis(&self.server, call).await;
        outcome.map_err(|error| format!("sessions in Redis: {error}"))
    }
}
