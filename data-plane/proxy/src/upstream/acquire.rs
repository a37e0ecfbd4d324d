//! A connection for one exchange: a kept one, a place on a shared one, or a new one.

use std::rc::Rc;
use std::time::{Duration, Instant};

use weir_plugin_api::NodeAddress;

use super::connect::{self, Connected, Destination};
use super::pool::{Dial, PoolKey};
use super::transport::{Protocol, Transport};
use crate::error::Reason;
use crate::origin::h1::codec::Connection;
use crate::origin::h2::{self, Lease};
use crate::worker::Worker;

/// New shared connections that one request waits for. A node may allow no stream at all.
const DIALS: usize = 4;

/// What an exchange runs on.
pub enum Channel {
    /// A connection of its own, and where it is kept afterwards.
    Own(Connection, PoolKey),
    /// A place on a shared one.
    Shared(Lease),
}

/// A channel, and how it came about.
pub struct Acquired {
    /// The channel.
    pub channel: Channel,
    /// Time to connect; `None` on a kept connection.
    pub took: Option<Duration>,
    /// The address that was reached, when it was connected to just now.
    pub address: Option<NodeAddress>,
}

impl Acquired {
    fn kept(channel: Channel) -> Self {
        Self {
            channel,
            took: None,
            address: None,
        }
    }
}

/// Finds or makes a connection within `limit`.
///
/// # Errors
/// Why there is none.
pub async fn acquire(
    worker: &Rc<Worker>,
    transport: &Transport,
    destination: &Destination,
    limit: Duration,
) -> Result<Acquired, Reason> {
    let key = destination.key().ok_or(Reason::DnsFailure)?;
    let requests = transport.keepalive.requests;
    let leased = match transport.protocol {
        Protocol::H1 => None,
        Protocol::H2 | Protocol::Negotiated => worker.pool.lease(&key, requests, Instant::now()),
    };
    if let Some(lease) = leased {
        worker.metrics.reuses.add(1);
        return Ok(Acquired::kept(Channel::Shared(lease)));
    }
    if transport.protocol == Protocol::H2 {
        return shared(worker, transport, destination, key, limit).await;
    }
    if let Some(kept) = worker.pool.take(&key, Instant::now()) {
        worker.metrics.reuses.add(1);
        return Ok(Acquired::kept(Channel::Own(kept, key)));
    }
    let began = Instant::now();
    worker.metrics.connects.add(1);
    let connected = connect::connect(destination, limit, &worker.wheel).await?;
    let took = Some(began.elapsed());
    let address = Some(connected.address.clone());
    let channel = if connected.http2 {
        let connection = begin(connected).await?;
        let lease = connection.lease(requests).ok_or(Reason::StreamRefused)?;
        let idle = transport.keepalive.idle_timeout;
        worker.pool.share(key, connection, idle);
        Channel::Shared(lease)
    } else {
        let key = destination.key_of(connected.address);
        Channel::Own(Connection::new(connected.stream, worker.wheel.timer()), key)
    };
    Ok(Acquired {
        channel,
        took,
        address,
    })
}

/// A place on a new shared connection. Whoever else needs one meanwhile waits for the same.
async fn shared(
    worker: &Rc<Worker>,
    transport: &Transport,
    destination: &Destination,
    key: PoolKey,
    limit: Duration,
) -> Result<Acquired, Reason> {
    let began = Instant::now();
    for _ in 0..DIALS {
        let (dial, is_new) = worker.pool.dial(&key);
        if is_new {
            let idle = transport.keepalive.idle_timeout;
            let work = Work {
                worker: Rc::clone(worker),
                destination: destination.clone(),
                key: key.clone(),
                dial: Rc::clone(&dial),
            };
            tokio::task::spawn_local(work.run(limit, idle));
        }
        let address = dial.done().await?;
        if let Some(lease) = worker
            .pool
            .lease(&key, transport.keepalive.requests, Instant::now())
        {
            return Ok(Acquired {
                channel: Channel::Shared(lease),
                took: Some(began.elapsed()),
                address: Some(address),
            });
        }
    }
    Err(Reason::StreamRefused)
}

async fn begin(connected: Connected) -> Result<h2::Connection, Reason> {
    let begun = h2::Connection::begin(connected.stream).await;
    begun.map_err(|error| {
        tracing::debug!(node = %connected.address, %error, "HTTP/2 cannot be begun");
        Reason::ResetBeforeHeader
    })
}

/// The making of a shared connection, in a task of its own: the request that began it may end.
struct Work {
    worker: Rc<Worker>,
    destination: Destination,
    key: PoolKey,
    dial: Rc<Dial>,
}

impl Work {
    async fn run(self, limit: Duration, idle: Duration) {
        let made = self.make(limit, idle).await;
        self.worker.pool.dialled(&self.key);
        self.dial.finish(made);
    }

    async fn make(&self, limit: Duration, idle: Duration) -> Result<NodeAddress, Reason> {
        let worker = &self.worker;
        worker.metrics.connects.add(1);
        let connected = connect::connect(&self.destination, limit, &worker.wheel).await?;
        let address = connected.address.clone();
        let connection = begin(connected).await?;
        worker.pool.share(self.key.clone(), connection, idle);
        Ok(address)
    }
}
