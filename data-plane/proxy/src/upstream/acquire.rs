//! A connection for one exchange: a kept one, a place on a shared one, or a new one.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use weir_plugin_api::NodeAddress;

use super::connect::{self, Connected, Destination};
use super::line::Waiting;
use super::load::Full;
use super::pool::{Dial, PoolKey};
use super::seats::{Pending, Permit, Places};
use super::transport::{Protocol, Transport};
use crate::error::Reason;
use crate::origin::h1::codec::Connection;
use crate::origin::h2::{self, Lease};
use crate::worker::Worker;
use crate::worker::wheel::Timer;

/// New shared connections that one request waits for. A node may allow no stream at all.
const DIALS: usize = 4;
/// After this time, a request that waits looks again unasked.
const AGAIN: Duration = Duration::from_millis(100);

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

/// Finds or makes a connection within `limit` from `now`, which covers waiting for a place as well.
///
/// # Errors
/// Why there is none.
pub async fn acquire(
    worker: &Rc<Worker>,
    transport: &Transport,
    destination: &Destination,
    limit: Duration,
    now: Instant,
) -> Result<Acquired, Reason> {
    let key = destination.key().ok_or(Reason::DnsFailure)?;
    if let Some(channel) = existing(worker, transport, &key, now) {
        return Ok(reused(worker, channel));
    }
    let began = now;
    if transport.protocol == Protocol::H2 {
        return shared(worker, transport, destination, key, limit).await;
    }
    let permit = match &destination.places {
        None => None,
        Some(places) => match places.take() {
            Some(permit) => Some(permit),
            None => match turn(worker, transport, places, &key, limit).await? {
                Turn::Existing(channel) => return Ok(reused(worker, channel)),
                Turn::New(permit) => Some(permit),
            },
        },
    };
    worker.metrics.connects.add(1);
    let left = limit.saturating_sub(began.elapsed());
    let mut connected = connect::connect(destination, left, &worker.wheel).await?;
    let counted = worker.census.count(&connected.address);
    connected.stream = connected.stream.holding(permit, counted);
    let took = Some(began.elapsed());
    let address = Some(connected.address.clone());
    let requests = transport.keepalive.requests;
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

/// A connection that is there already.
fn existing(
    worker: &Worker,
    transport: &Transport,
    key: &PoolKey,
    now: Instant,
) -> Option<Channel> {
    let own = || {
        let kept = worker.pool.take(key, now)?;
        Some(Channel::Own(kept, key.clone()))
    };
    let requests = transport.keepalive.requests;
    let lease = || worker.pool.lease(key, requests, now).map(Channel::Shared);
    match transport.protocol {
        Protocol::H1 => own(),
        Protocol::H2 => lease(),
        Protocol::Negotiated => lease().or_else(own),
        Protocol::Raw => None,
    }
}

fn reused(worker: &Worker, channel: Channel) -> Acquired {
    worker.metrics.reuses.add(1);
    Acquired::kept(channel)
}

/// What a request that waited goes on with.
enum Turn {
    /// A connection that another request was done with.
    Existing(Channel),
    /// The place for a new one.
    New(Permit),
}

/// Waits for a connection or for the place of one.
async fn turn(
    worker: &Rc<Worker>,
    transport: &Transport,
    places: &Arc<Places>,
    key: &PoolKey,
    limit: Duration,
) -> Result<Turn, Reason> {
    let began = Instant::now();
    let _counted = pending(worker, places)?;
    let waiting = Waiting::join(worker.pool.lines.of(key));
    let timer = worker.wheel.timer();
    loop {
        let freed = pin!(places.freed());
        if let Some(channel) = existing(worker, transport, key, Instant::now()) {
            return Ok(Turn::Existing(channel));
        }
        if let Some(permit) = places.take() {
            return Ok(Turn::New(permit));
        }
        let called = pin!(waiting.called());
        look_again(&timer, began, limit, select(freed, called)).await?;
    }
}

/// Waits for `event`, but looks again before long even when it does not come: it may have been for
/// somebody who left.
async fn look_again(
    timer: &Timer,
    began: Instant,
    limit: Duration,
    event: impl Future,
) -> Result<(), Reason> {
    let left = limit.saturating_sub(began.elapsed());
    if left.is_zero() {
        return Err(Reason::TimeoutPending);
    }
    timer.within(left.min(AGAIN), event).await;
    Ok(())
}

/// Counts a request that waits.
fn pending(worker: &Rc<Worker>, places: &Arc<Places>) -> Result<(Pending, Gauge), Reason> {
    let pending = places.wait().map_err(|Full| Reason::PendingOverflow)?;
    worker.metrics.pending.add(1);
    Ok((pending, Gauge(Rc::clone(worker))))
}

struct Gauge(Rc<Worker>);

impl Drop for Gauge {
    fn drop(&mut self) {
        self.0.metrics.pending.subtract(1);
    }
}

/// A place on a new shared connection, or on one that has room again. Whoever else needs one
/// meanwhile waits for the same.
async fn shared(
    worker: &Rc<Worker>,
    transport: &Transport,
    destination: &Destination,
    key: PoolKey,
    limit: Duration,
) -> Result<Acquired, Reason> {
    let began = Instant::now();
    let places = destination.places.as_ref();
    let mut waiting = None;
    let mut dials = 0;
    while dials < DIALS {
        if let Some(places) = places
            && waiting.is_none()
            && !places.have_room()
        {
            let counted = pending(worker, places)?;
            waiting = Some((counted, Waiting::join(worker.pool.lines.of(&key))));
        }
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
        let dialled = match &waiting {
            None => Some(dial.done().await?),
            Some((_, waiting)) => {
                let (done, called) = (pin!(dial.done()), pin!(waiting.called()));
                match select(done, called).await {
                    Either::Left((done, _)) => Some(done?),
                    Either::Right(_) => None,
                }
            }
        };
        dials += usize::from(dialled.is_some());
        let requests = transport.keepalive.requests;
        if let Some(lease) = worker.pool.lease(&key, requests, Instant::now()) {
            let channel = Channel::Shared(lease);
            return Ok(match dialled {
                None => reused(worker, channel),
                address => Acquired {
                    channel,
                    took: Some(began.elapsed()),
                    address,
                },
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
        let began = Instant::now();
        let permit = match &self.destination.places {
            None => None,
            Some(places) => Some(place(worker, places, limit).await?),
        };
        worker.metrics.connects.add(1);
        let left = limit.saturating_sub(began.elapsed());
        let mut connected = connect::connect(&self.destination, left, &worker.wheel).await?;
        let counted = worker.census.count(&connected.address);
        connected.stream = connected.stream.holding(permit, counted);
        let address = connected.address.clone();
        let connection = begin(connected).await?;
        worker.pool.share(self.key.clone(), connection, idle);
        Ok(address)
    }
}

/// Waits for the place of a connection. Those who wait for the connection are counted, this is not.
async fn place(worker: &Worker, places: &Places, limit: Duration) -> Result<Permit, Reason> {
    let (began, timer) = (Instant::now(), worker.wheel.timer());
    loop {
        let freed = places.freed();
        if let Some(permit) = places.take() {
            return Ok(permit);
        }
        look_again(&timer, began, limit, freed).await?;
    }
}
