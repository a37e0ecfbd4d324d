//! What plugins may reach beyond nodes: HTTP services, Redis, Kafka, plain sockets, and a place for work
//! that outlives a request.
//!
//! The clients themselves are in `weir-clients`; this is only what a plugin sees of them, so that a
//! plugin can be checked by a control node and tested without any network.

mod cache;
mod error;
mod http;
mod kafka;
mod ldap;
mod redis;
mod socket;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};

pub use self::cache::{CacheDisk, CacheZone, CacheZones};
pub use self::error::CallError;
pub use self::http::{HttpAnswer, HttpCall, HttpProxy};
pub use self::kafka::{KafkaCluster, KafkaLogin, KafkaMechanism, KafkaRecord};
pub use self::ldap::LdapServer;
pub use self::redis::{RedisAddress, RedisCall, RedisServer, RedisValue};
pub use self::socket::{SocketKind, SocketTarget};

/// The outcome of a call, later. Dropping it abandons the call: nobody waits for its answer.
pub type Pending<T> = BoxFuture<'static, Result<T, CallError>>;

/// The world beyond the nodes. Every call has a time limit of its own, runs on a pool that the
/// agent owns, and never blocks the worker that asked. What a world does not define cannot be reached
/// in it.
pub trait Outside: Send + Sync {
    /// One HTTP exchange; redirects are not followed.
    fn http(&self, _call: HttpCall) -> Pending<HttpAnswer> {
        nothing()
    }

    /// One script, run on the Redis server in a single round trip.
    fn redis(&self, _server: &Arc<RedisServer>, _call: RedisCall) -> Pending<RedisValue> {
        nothing()
    }

    /// One record to a topic, acknowledged.
    fn kafka(&self, _cluster: &Arc<KafkaCluster>, _record: KafkaRecord) -> Pending<()> {
        nothing()
    }

    /// Writes `bytes` whole to a socket, over a kept connection where there is one. A datagram
    /// socket sends one datagram.
    fn send(&self, _target: &Arc<SocketTarget>, _bytes: Bytes) -> Pending<()> {
        nothing()
    }

    /// Whether an LDAP server takes `password` for the name `dn`, which may not be empty, nor may the
    /// password.
    fn ldap_bind(
        &self,
        _server: &Arc<LdapServer>,
        _dn: String,
        _password: String,
    ) -> Pending<bool> {
        nothing()
    }

    /// Runs a task beside the workers until it ends or the agent does.
    fn spawn(&self, task: BoxFuture<'static, ()>);

    /// Runs work that would hold up a worker (files, long computations) on a thread beside the
    /// workers; [`off_worker`] is the form with types. It is done even when nobody waits any more.
    fn blocking(&self, work: Work) -> Pending<Made> {
        Box::pin(ready(Ok(work())))
    }

    /// Where answers may be kept, as the agent's file says; `None` where there is no agent.
    fn cache_zones(&self) -> Option<&CacheZones> {
        None
    }

    /// Ready after `time`; only for tasks given to [`Outside::spawn`].
    fn sleep(&self, _time: Duration) -> BoxFuture<'static, ()> {
        Box::pin(ready(()))
    }
}

/// What work on a thread beside the workers makes.
pub type Made = Box<dyn Any + Send>;

/// Work for a thread beside the workers.
pub type Work = Box<dyn FnOnce() -> Made + Send>;

/// Runs `work` on a thread beside the workers and gives what it makes.
///
/// # Errors
/// It could not be run, or it panicked.
pub async fn off_worker<T: Any + Send>(
    outside: &dyn Outside,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, CallError> {
    let made = outside.blocking(Box::new(move || Box::new(work()))).await?;
    made.downcast()
        .map(|made| *made)
        .map_err(|_| CallError::Unavailable)
}

/// A world in which nothing can be reached: for checking a configuration without running it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unreachable;

impl Outside for Unreachable {
    fn spawn(&self, _task: BoxFuture<'static, ()>) {}
}

fn nothing<T: Send + 'static>() -> Pending<T> {
    Box::pin(ready(Err(CallError::Unavailable)))
}
