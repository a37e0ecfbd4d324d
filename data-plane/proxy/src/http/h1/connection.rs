//! One connection of HTTP/1.1, from its first byte to its last: requests one after the other, each
//! with its answer.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use http::{Method, Response, StatusCode};
use http_body::Body as _;
use tokio::io::{AsyncRead, AsyncWrite};

use super::answer::{self, Asked, Framing};
use super::body::{Body, Handle};
use super::parse::{self, Bad, Head};
use super::shared::{Bare, Shared};
use super::writing::{Filled, Unwritten, Writing};
use crate::error::Reason;
use crate::h1::body::Decoded;
use crate::h1::scan::Scanner;
use crate::http::connection::Client;
use crate::http::inbound::{Back, Inbound};
use crate::http::pipeline;
use crate::http::request::ClientBody;
use crate::http::response::ResponseBody;
use crate::http::tunnel::{self, Early};
use crate::origin::h1::codec::Upgraded;
use crate::worker::Worker;
use crate::worker::drain::Open;
use crate::worker::wheel::Timer;

/// What is left of a request's body after its answer is read up to this size, to keep the connection.
const WORTH_READING: u64 = 256 * 1024;
/// How long that may take.
const REST: Duration = Duration::from_secs(5);
/// How long, and for how many bytes, a connection is still read that is closed while the client may
/// be sending: without that, what it sends could destroy the answer on its way.
const LINGER: (Duration, usize) = (Duration::from_secs(2), 8 << 20);

/// A connection that is ready for its first request.
pub struct Entered<'a, S> {
    /// The worker.
    pub worker: Rc<Worker>,
    /// Its place among the open connections.
    pub open: &'a Open,
    /// The stream.
    pub stream: S,
    /// What was read of it already.
    pub input: BytesMut,
    /// What its requests share.
    pub client: Rc<Client>,
    /// Its timer; the limit for a head is running.
    pub timer: &'a Timer,
}

/// Serves a connection to its end.
pub async fn serve<S: AsyncRead + AsyncWrite + Unpin + 'static>(entered: Entered<'_, S>) {
    let Entered {
        worker,
        open,
        stream,
        input,
        client,
        timer,
    } = entered;
    let mut connection = Connection {
        shared: Rc::new(Shared::new(
            Rc::clone(&worker),
            stream,
            input,
            client.holder.hold(),
        )),
        worker,
        open,
        client,
        timer,
        scanner: Scanner::default(),
        skipped_line: false,
        reading_head: true,
        watches_drain: false,
        spoke: false,
    };
    connection.run().await;
}

struct Connection<'a, S> {
    worker: Rc<Worker>,
    open: &'a Open,
    client: Rc<Client>,
    timer: &'a Timer,
    shared: Rc<Shared<S>>,
    scanner: Scanner,
    /// Whether the one empty line that may precede a request was there.
    skipped_line: bool,
    /// Whether the limit for a head is running, not that for idleness.
    reading_head: bool,
    watches_drain: bool,
    /// Whether a request was there.
    spoke: bool,
}

/// What comes next on the connection.
enum Next {
    Request(Box<Head>),
    Refused(Box<Bad>),
    /// Nothing: the client closed, was silent for too long, or the worker drains.
    End,
}

/// What becomes of the connection after an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    /// Another request may come.
    Keep,
    /// It is closed; the client has sent everything.
    Close,
    /// It is closed, but the client may still be sending.
    Linger,
    /// The client is gone, or the answer broke off: nothing more can be said.
    Gone,
}

impl<S: AsyncRead + AsyncWrite + Unpin + 'static> Connection<'_, S> {
    async fn run(&mut self) {
        loop {
            let next = poll_fn(|cx| self.poll_next(cx)).await;
            self.timer.disarm();
            let after = match next {
                Next::Request(head) => self.answer(*head).await,
                Next::Refused(bad) => self.refuse(*bad).await,
                Next::End => After::Close,
            };
            match after {
                After::Keep => self.begin_idle(),
                After::Close => return self.close().await,
                After::Linger => return self.linger().await,
                After::Gone => return,
            }
        }
    }

    fn begin_idle(&mut self) {
        let limits = &self.worker.settings.limits;
        self.scanner = Scanner::default();
        self.skipped_line = false;
        self.reading_head = !self.shared.lock().input.is_empty();
        self.timer.arm(if self.reading_head {
            limits.header
        } else {
            limits.idle
        });
    }

    /// Reads the next head.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        if !self.watches_drain {
            self.watches_drain = true;
            self.open.wake_on_drain(cx.waker());
        }
        loop {
            match self.take_head() {
                Ok(Some(head)) => return Poll::Ready(Next::Request(head)),
                Ok(None) => self.begin_head(),
                Err(bad) => return Poll::Ready(Next::Refused(bad)),
            }
            if self.open.ends_when_idle() && self.shared.lock().input.is_empty() {
                return Poll::Ready(Next::End);
            }
            match self.shared.poll_next(cx) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Next::End),
                Poll::Ready(Ok(_)) => {}
                Poll::Pending if self.timer.poll_expired(cx) => return Poll::Ready(Next::End),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// A head that has begun, and is not there at once, has its own limit.
    fn begin_head(&mut self) {
        let begun = self.skipped_line || !self.shared.lock().input.is_empty();
        if begun && !self.reading_head {
            self.reading_head = true;
            self.timer.arm(self.worker.settings.limits.header);
        }
    }

    /// Takes a head, when it is whole.
    fn take_head(&mut self) -> Result<Option<Box<Head>>, Box<Bad>> {
        let mut inner = self.shared.lock();
        if !self.skipped_line {
            match inner.input.as_ref() {
                [b'\r', b'\n', ..] => {
                    inner.input.advance(2);
                    self.skipped_line = true;
                }
                [b'\r'] => return Ok(None),
                _ => {}
            }
        }
        let limits = &self.worker.settings.limits;
        let found = parse::find_end(&mut self.scanner, &inner.input, limits);
        let Some(size) = found.map_err(Bad::new)? else {
            return Ok(None);
        };
        parse::take_head(&mut inner.input, size, limits).map(|head| Some(Box::new(head)))
    }

    /// Answers a request that cannot be read. Where the next one begins is anybody's guess.
    async fn refuse(&mut self, bad: Bad) -> After {
        let silent = bad.is_foreign() && !self.spoke;
        let Bad { refusal, parts } = bad;
        let asked = Asked {
            method: parts.method.clone(),
            version: parts.version,
            trailers: false,
        };
        let response = pipeline::refuse(Rc::clone(&self.worker), &self.client, parts, refusal);
        if silent {
            // With it goes the request's line into the log.
            drop(response);
            return After::Linger;
        }
        match self.write(response, &asked, false).await {
            After::Gone => After::Gone,
            _ => After::Linger,
        }
    }

    /// Runs a request, and writes its answer.
    async fn answer(&mut self, head: Head) -> After {
        self.spoke = true;
        let request = self.shared.begin(&head);
        let asked = Asked {
            method: head.parts.method.clone(),
            version: head.parts.version,
            trailers: head.takes_trailers,
        };
        let handle = Handle::new(Rc::clone(&self.shared) as Rc<_>, request);
        let body = Body::new(handle.clone());
        let limit = self.worker.settings.limits.body_bytes;
        let body = ClientBody::new(Inbound::H1(body), limit);
        let back = Some(Back::H1(handle));
        let response = {
            let (worker, client) = (Rc::clone(&self.worker), Rc::clone(&self.client));
            let mut serving = Box::pin(pipeline::serve(worker, client, head.parts, body, back));
            let shared = &self.shared;
            poll_fn(|cx| {
                if let Poll::Ready(response) = serving.as_mut().poll(cx) {
                    return Poll::Ready(Some(response));
                }
                // Interim answers.
                let failed = matches!(shared.lock().poll_flush(cx), Poll::Ready(Err(_)));
                if failed || shared.is_gone(cx) {
                    return Poll::Ready(None);
                }
                Poll::Pending
            })
            .await
        };
        // What follows a CONNECT that is refused was meant for the tunnel: it is no request.
        let keep = head.keep_alive && asked.method != Method::CONNECT;
        let after = match response {
            Some(response) => self.write(response, &asked, keep).await,
            None => After::Gone,
        };
        self.shared.end();
        after
    }

    /// Writes an answer, as it comes.
    async fn write(
        &mut self,
        response: Response<ResponseBody>,
        asked: &Asked,
        keep: bool,
    ) -> After {
        let (parts, mut body) = response.into_parts();
        self.shared.answer_begins();
        if let Some(fault) = self.shared.lock().fault {
            body.note_detail(fault);
        }
        let framing = asked.framing(parts.status, body.size_hint().exact());
        let keep = keep
            && framing != Framing::Close
            && !self.open.is_draining()
            && !answer::says_close(&parts.headers)
            && self.rest_is_short();
        let upgraded = body.take_upgraded();
        {
            let mut inner = self.shared.lock();
            if inner.out.flat.capacity() == 0 {
                inner.out.flat = self.worker.buffers.take();
            }
            answer::put(
                parts.status,
                &parts.headers,
                asked,
                framing,
                keep,
                &self.worker.date.value(),
                &mut inner.out.flat,
            );
        }
        if parts.status == StatusCode::SWITCHING_PROTOCOLS {
            return match upgraded {
                // Rare, and large.
                Some(upgraded) => Box::pin(self.tunnel(*upgraded, body)).await,
                None => After::Gone,
            };
        }
        let mut writing = Writing {
            body: Some(body).filter(|_| framing != Framing::Bodiless),
            framing,
            trailers: None,
            takes_trailers: asked.trailers,
        };
        let written = poll_fn(|cx| self.poll_write(cx, &mut writing)).await;
        self.timer.disarm();
        drop(writing);
        match written {
            Err(Unwritten) => After::Gone,
            Ok(()) if keep => self.read_rest().await,
            Ok(()) if self.shared.lock().body.is_done() && asked.method != Method::CONNECT => {
                After::Close
            }
            Ok(()) => After::Linger,
        }
    }

    /// Whether the rest of the request's body, which nobody reads any more, is worth reading, or
    /// somebody still does.
    fn rest_is_short(&self) -> bool {
        let inner = self.shared.lock();
        if inner.body.is_done() {
            return true;
        }
        // Whether a client that waited for 100 sends its body after all cannot be told.
        let short = |left| left <= WORTH_READING;
        !inner.waits && (inner.read || inner.body.remaining().is_some_and(short))
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        writing: &mut Writing,
    ) -> Poll<Result<(), Unwritten>> {
        loop {
            let filled = writing.fill(cx, &self.shared);
            let flushed = self.shared.lock().poll_flush(cx);
            match flushed {
                Poll::Ready(Ok(())) => {
                    self.timer.disarm();
                    match filled {
                        Err(Unwritten) => return Poll::Ready(Err(Unwritten)),
                        Ok(Filled::Whole) => return Poll::Ready(Ok(())),
                        Ok(Filled::Full) => {}
                        Ok(Filled::Waiting) if self.shared.is_gone(cx) => {
                            return Poll::Ready(Err(Unwritten));
                        }
                        Ok(Filled::Waiting) => return Poll::Pending,
                    }
                }
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Unwritten)),
                Poll::Pending => {
                    if !self.timer.is_armed() {
                        self.timer.arm(self.worker.settings.limits.send);
                    }
                    if self.timer.poll_expired(cx) {
                        return Poll::Ready(Err(Unwritten));
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// Reads what is left of the request's body, so that the next request can be found.
    async fn read_rest(&mut self) -> After {
        if self.shared.lock().body.is_done() {
            return After::Keep;
        }
        self.timer.arm(REST);
        let mut left = WORTH_READING;
        let rest = poll_fn(|cx| {
            loop {
                match self.shared.lock().poll_body(cx) {
                    Poll::Ready(Ok(Decoded::Data(piece))) => {
                        match left.checked_sub(piece.len() as u64) {
                            Some(rest) => left = rest,
                            None => return Poll::Ready(After::Linger),
                        }
                    }
                    Poll::Ready(Ok(Decoded::End | Decoded::More)) => {
                        return Poll::Ready(After::Keep);
                    }
                    Poll::Ready(Err(Reason::ClientGone)) => return Poll::Ready(After::Gone),
                    Poll::Ready(Err(_)) => return Poll::Ready(After::Linger),
                    Poll::Pending if self.timer.poll_expired(cx) => {
                        return Poll::Ready(After::Linger);
                    }
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await;
        self.timer.disarm();
        rest
    }

    /// Passes on bytes until both sides have ended.
    async fn tunnel(&mut self, upgraded: Upgraded, mut body: ResponseBody) -> After {
        let Upgraded {
            mut io,
            input,
            limits,
            timer,
        } = upgraded;
        let sent = self.timer.within(
            self.worker.settings.limits.send,
            poll_fn(|cx| self.shared.lock().poll_flush(cx)),
        );
        if !matches!(sent.await, Some(Ok(()))) {
            body.tunnel_ended(Some(Reason::ClientGone));
            return After::Gone;
        }
        let early = Early {
            client: std::mem::take(&mut self.shared.lock().input),
            node: input,
        };
        let limits = tunnel::Limits {
            idle: limits.read,
            node: limits.send,
            client: self.worker.settings.limits.send,
        };
        self.shared.end();
        let mut client = Bare(Rc::clone(&self.shared));
        let buffers = &self.worker.buffers;
        let ended = tunnel::run(
            &mut client,
            &mut io,
            early,
            limits,
            &timer,
            buffers,
            |direction, bytes| body.moved(direction, bytes),
        )
        .await;
        body.tunnel_ended(ended);
        After::Gone
    }

    /// Closes the connection; the client has sent everything.
    async fn close(&mut self) {
        let shutdown = poll_fn(|cx| Pin::new(&mut self.shared.lock().io).poll_shutdown(cx));
        // Whatever comes of it, the connection is closed.
        let _ = self.timer.within(LINGER.0, shutdown).await;
    }

    /// Closes the connection towards the client, then reads what it sends, to no end but that it
    /// gets the answer.
    async fn linger(&mut self) {
        self.close().await;
        self.timer.arm(LINGER.0);
        let mut left = LINGER.1;
        poll_fn(|cx| {
            loop {
                let read = self.shared.poll_next(cx);
                if self.timer.poll_expired(cx) {
                    return Poll::Ready(());
                }
                match ready!(read) {
                    Ok(size) if size > 0 && size <= left => left -= size,
                    _ => return Poll::Ready(()),
                }
                self.shared.lock().input.clear();
            }
        })
        .await;
    }
}
