//! One request over HTTP/2 and its answer, in a task of its own.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::ext::Protocol;
use h2::server::SendResponse;
use h2::{Reason as Code, RecvStream, SendStream};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body::{Body as _, Frame};

use super::body::Body;
use super::connection::SEND_BUFFER;
use super::tunnel;
use super::wire::Watch;
use crate::error::Reason;
use crate::http::connection::Client;
use crate::http::inbound::{Back, Inbound};
use crate::http::request::ClientBody;
use crate::http::response::{BrokenOff, ResponseBody};
use crate::http::{hop, pipeline};
use crate::worker::Worker;
use crate::worker::wheel::Timer;

/// A window that lets less than this out, while more is there, is counted.
const TINY: usize = 256;

/// Where answers go, until the head has gone.
pub type Respond = Rc<RefCell<SendResponse<Bytes>>>;

/// Serves one request to the end of its answer.
pub(super) async fn serve(
    worker: Rc<Worker>,
    client: Rc<Client>,
    watch: Rc<Watch>,
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
) {
    let (parts, receive) = request.into_parts();
    let respond = Rc::new(RefCell::new(respond));
    let limits = &worker.settings.limits;
    let extended = parts.extensions.get::<Protocol>().is_some();
    let (body, mut bytes) = if extended {
        // What comes is no body, but the tunnel's.
        (ClientBody::empty(), Some(receive))
    } else if receive.is_end_stream() {
        (ClientBody::empty(), None)
    } else {
        let timer = worker.wheel.timer();
        let body = Body::new(&parts.headers, receive, &respond, &watch, limits, timer);
        let body = Inbound::H2(Box::new(body));
        (ClientBody::new(body, limits.body_bytes), None)
    };
    // Boxed: it is large, and over when the head of the answer is there.
    let serving = Box::pin(pipeline::serve(
        Rc::clone(&worker),
        client,
        parts,
        body,
        Some(Back::H2(Rc::clone(&respond))),
    ));
    // Whoever resets the stream does not want the answer any more: what is done for it is dropped.
    let Some(response) = unless_reset(serving, &respond).await else {
        return;
    };
    let (mut head, mut body) = response.into_parts();
    let upgraded = body.take_upgraded();
    if upgraded.is_some() {
        // The key was the gateway's own, and a stream is opened by success (RFC 8441 section 5).
        head.status = StatusCode::OK;
        head.headers.remove(header::SEC_WEBSOCKET_ACCEPT);
    }
    // To the client it would mean that the stream is open.
    let refused = extended && upgraded.is_none() && head.status.is_success();
    if refused {
        body.tunnel_ended(Some(Reason::BadResponse));
        head.status = StatusCode::BAD_GATEWAY;
        bytes = None;
    }
    complete(&mut head.headers, &body, &worker);
    if refused {
        // Of the answer nothing but the status goes on.
        head.headers.remove(header::CONTENT_LENGTH);
    }
    let bodiless = upgraded.is_none() && (body.is_end_stream() || refused);
    let head = Response::from_parts(head, ());
    let sent = respond.borrow_mut().send_response(head, bodiless);
    let send = match sent {
        Ok(send) => send,
        Err(error) => {
            tracing::debug!(%error, "client takes no answer");
            return;
        }
    };
    if bodiless {
        return;
    }
    if let (Some(upgraded), Some(receive)) = (upgraded, bytes) {
        return tunnel::run(&worker, &watch, *upgraded, body, receive, send).await;
    }
    let mut answer = Answer {
        body,
        send,
        piece: Bytes::new(),
        last: false,
        timer: worker.wheel.timer(),
        worker,
        watch,
    };
    poll_fn(|cx| answer.poll(cx)).await;
}

/// Waits for `work`, unless the client resets the stream or the connection ends.
async fn unless_reset<T>(
    mut work: Pin<Box<impl Future<Output = T>>>,
    respond: &Respond,
) -> Option<T> {
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => respond.borrow_mut().poll_reset(cx).map(|_| None),
    })
    .await
}

/// Sends an interim answer, unless the client or the connection is gone.
pub fn tell(respond: &Respond, status: StatusCode, headers: HeaderMap) {
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    if let Err(error) = respond.borrow_mut().send_informational(response) {
        tracing::debug!(%error, "client takes no interim answer");
    }
}

/// Makes a head one of HTTP/2: nothing of a connection, a date, and the length where it is known.
fn complete(headers: &mut HeaderMap, body: &ResponseBody, worker: &Worker) {
    hop::remove_all(headers);
    headers.remove(header::TE);
    if !headers.contains_key(header::DATE) {
        headers.insert(header::DATE, worker.date.value());
    }
    if !body.is_end_stream()
        && !headers.contains_key(header::CONTENT_LENGTH)
        && let Some(length) = body.size_hint().exact()
    {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}

/// An answer whose head has gone.
struct Answer {
    body: ResponseBody,
    send: SendStream<Bytes>,
    /// What the client has not taken yet.
    piece: Bytes,
    /// Whether nothing follows it.
    last: bool,
    timer: Timer,
    worker: Rc<Worker>,
    watch: Rc<Watch>,
}

impl Answer {
    /// Sends what can be sent; ready when the stream is over, one way or the other.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.piece.is_empty() {
                let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                    return self.send.poll_reset(cx).map(drop);
                };
                if let Some(over) = self.take(frame) {
                    return Poll::Ready(over);
                }
                continue;
            }
            let room = ready!(self.poll_room(cx));
            let size = room.min(self.piece.len());
            if size == 0 {
                return Poll::Ready(());
            }
            if size < TINY && size < self.piece.len() {
                self.watch.tiny_window();
            }
            let data = self.piece.split_to(size);
            let end = self.last && self.piece.is_empty();
            if self.send.send_data(data, end).is_err() || end {
                return Poll::Ready(());
            }
        }
    }

    /// Takes the next part of the answer; says when it was the end.
    fn take(&mut self, frame: Option<Result<Frame<Bytes>, BrokenOff>>) -> Option<()> {
        // A client that takes no more has been told, or has told us.
        let _told = match frame {
            None => self.send.send_data(Bytes::new(), true),
            Some(Err(error)) => {
                tracing::debug!(%error, "stream reset");
                self.send.send_reset(Code::INTERNAL_ERROR);
                return Some(());
            }
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    self.last = self.body.is_end_stream();
                    self.piece = data;
                    if !(self.piece.is_empty() && self.last) {
                        return None;
                    }
                    self.send.send_data(Bytes::new(), true)
                }
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    self.send.send_trailers(trailers)
                }
            },
        };
        Some(())
    }

    /// Bytes that the client takes now; 0 when it takes no more at all, or did not in time.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<usize> {
        self.send
            .reserve_capacity(self.piece.len().min(SEND_BUFFER));
        loop {
            let room = self.send.capacity();
            if room > 0 {
                self.timer.disarm();
                return Poll::Ready(room);
            }
            match self.send.poll_capacity(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(0),
                Poll::Pending => break,
            }
        }
        if !self.timer.is_armed() {
            self.timer.arm(self.worker.settings.limits.send);
        }
        if self.timer.poll_expired(cx) {
            tracing::debug!("stream reset: the client's window stayed closed");
            self.send.send_reset(Code::CANCEL);
            return Poll::Ready(0);
        }
        Poll::Pending
    }
}
