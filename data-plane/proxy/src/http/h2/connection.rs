//! One HTTP/2 connection: requests are accepted, time limits and the guard's verdict are kept, and
//! it ends in two steps, so that no request is lost (RFC 9113 section 6.8).

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::Reason as Code;
use h2::server::{Builder, Connection};
use tokio::io::{AsyncRead, AsyncWrite};

use super::guard::Guard;
use super::preface::PREFACE;
use super::stream;
use super::uploads::Uploads;
use super::wire::{Watch, Wire};
use crate::gateway::Limits;
use crate::http::clock::{Clock, Timed};
use crate::http::connection::{Client, within};
use crate::worker::Worker;
use crate::worker::drain::Open;
use crate::worker::wheel::Timer;

/// Bytes of one request body that may come before they are passed on.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The same for all bodies of a connection.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Bytes of one answer that wait for the client inside the connection: two frames. A client that opens
/// all its streams and reads nothing makes us hold so much for each.
pub(super) const SEND_BUFFER: usize = 32 * 1024;
/// What frames of request bodies may cost in memory beyond their bytes, as the h2 crate counts it:
/// 8,192 of a byte each that nobody has taken yet. Calls with small messages may well run ahead of a
/// slow node by thousands.
const FRAME_OVERHEAD: usize = 2 * 1024 * 1024;
/// Streams that were reset before anybody looked at them, or because the client broke a rule. The
/// guard decides before: these only bound what comes in one read.
const RESETS: usize = 512;
/// How long a client that was told to go has to read it. With two slots of the wheel less than a
/// second.
const FAREWELL: Duration = Duration::from_millis(700);

/// Requests that are begun before others have their turn: whoever asks for a hundred at once waits for
/// himself.
const TURN: usize = 8;

type Io<S> = Wire<Timed<S>>;

/// Serves a connection to its end.
pub async fn serve<S>(
    worker: &Rc<Worker>,
    open: &Open,
    stream: S,
    prefix: Bytes,
    client: Rc<Client>,
    clock: Rc<Clock>,
) where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let limits = &worker.settings.limits;
    let guard = Guard::new(PREFACE.len(), limits.header_bytes);
    let uploads = Uploads::new(client.holder.hold());
    let timer = worker.wheel.timer();
    let watch = Rc::new(Watch::new(guard, uploads, timer, limits.header));
    let timed = Timed {
        stream,
        prefix,
        clock: Rc::clone(&clock),
    };
    let handshake = builder(limits).handshake(Wire::new(timed, Rc::clone(&watch)));
    let outcome = match within(&clock.timer, open, handshake).await {
        None => return,
        Some(Ok(connection)) => {
            let driver = Driver {
                worker: Rc::clone(worker),
                client: Rc::clone(&client),
                watch: Rc::clone(&watch),
                clock,
                connection,
                leaving: false,
                expelled: false,
                farewell: worker.wheel.timer(),
            };
            driver.run(open).await
        }
        Some(Err(error)) => Err(error),
    };
    let peer = client.peer.peer;
    if let Some(budget) = watch.over() {
        let budget_name = budget.as_str();
        tracing::info!(%peer, budget = budget_name, "HTTP/2 connection closed: client used up a budget");
        worker.metrics.abused(budget);
    }
    if let Err(error) = outcome {
        if !error.is_io() && !error.is_remote() {
            worker.metrics.malformed.add(1);
        }
        tracing::debug!(%error, %peer, "client connection ended");
    }
}

fn builder(limits: &Limits) -> Builder {
    let mut builder = Builder::new();
    builder
        .enable_connect_protocol()
        .max_concurrent_streams(limits.http2_streams)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER)
        .data_frame_budget(FRAME_OVERHEAD)
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(Some(RESETS));
    builder
}

struct Driver<S: AsyncRead + AsyncWrite + Unpin> {
    worker: Rc<Worker>,
    client: Rc<Client>,
    watch: Rc<Watch>,
    clock: Rc<Clock>,
    connection: Connection<Io<S>, Bytes>,
    /// Whether the client was told politely to go.
    leaving: bool,
    /// Whether it was told otherwise.
    expelled: bool,
    /// Runs from the moment that the client is told that it is at fault.
    farewell: Timer,
}

impl<S: AsyncRead + AsyncWrite + Unpin + 'static> Driver<S> {
    async fn run(mut self, open: &Open) -> Result<(), h2::Error> {
        let mut registered = false;
        poll_fn(|cx| {
            if !registered {
                registered = true;
                open.wake_on_drain(cx.waker());
            }
            if open.is_draining() {
                self.leave();
            }
            self.poll(cx)
        })
        .await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        loop {
            if let Poll::Ready(ended) = self.poll_requests(cx) {
                return Poll::Ready(ended);
            }
            if self.watch.hold_too_much() {
                self.worker.admission.memory.count_shed(1);
                return self.end("its request bodies hold much, and memory is short");
            }
            if self.watch.over().is_some() && !self.expelled {
                self.expelled = true;
                self.connection.abrupt_shutdown(Code::ENHANCE_YOUR_CALM);
                self.farewell.arm(FAREWELL);
                continue;
            }
            if self.watch.is_accusing() && !self.farewell.is_armed() {
                self.farewell.arm(FAREWELL);
            }
            if self.farewell.poll_expired(cx) {
                return Poll::Ready(Ok(()));
            }
            if self.watch.poll_late(cx) {
                return self.end("the rest of a frame or of a header block did not come");
            }
            if !self.clock.timer.poll_expired(cx) {
                return Poll::Pending;
            }
            if self.leaving || !self.clock.is_idle() {
                return self.end("the client did not send a request, or take an answer, in time");
            }
            self.leave();
            self.clock.timer.arm(self.clock.limits.header);
        }
    }

    /// Begins a task for each request, some in each turn; ready when the connection is over.
    fn poll_requests(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        for _ in 0..TURN {
            match std::task::ready!(self.connection.poll_accept(cx)) {
                None => return Poll::Ready(Ok(())),
                Some(Err(error)) => return Poll::Ready(Err(error)),
                Some(Ok((request, respond))) => {
                    // The task ends with its stream, and with the worker's task set at the latest.
                    tokio::task::spawn_local(stream::serve(
                        Rc::clone(&self.worker),
                        Rc::clone(&self.client),
                        Rc::clone(&self.watch),
                        request,
                        respond,
                    ));
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn leave(&mut self) {
        if !self.leaving {
            self.leaving = true;
            self.connection.graceful_shutdown();
        }
    }

    fn end(&self, why: &'static str) -> Poll<Result<(), h2::Error>> {
        tracing::debug!(peer = %self.client.peer.peer, "HTTP/2 connection closed: {why}");
        Poll::Ready(Ok(()))
    }
}
