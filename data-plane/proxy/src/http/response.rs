//! The answer on its way to the client, whatever the version of HTTP.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use weir_model::upstream::KeepalivePool;
use weir_plugin_api::ResponseHead;

use super::transaction::Transaction;
use super::tunnel::Direction;
use crate::error::Reason;
use crate::origin::exchange::{Exchange, Piece};
use crate::origin::h1::codec::Upgraded;
use crate::respond;
use crate::telemetry::access_log::Statuses;
use crate::upstream::pool::PoolKey;

/// Statuses of all tries.
const UPSTREAM_STATUS: HeaderName = HeaderName::from_static("x-apisix-upstream-status");

/// Why a request failed.
const REASON: HeaderName = HeaderName::from_static("x-weir-reason");

/// An answer's body. Carries the transaction, which ends with it.
pub struct ResponseBody {
    source: Source,
    transaction: Box<Transaction>,
    /// Why the answer will be broken off, once hyper has flushed what it has.
    broken: Option<Reason>,
}

enum Source {
    /// Nothing more.
    Done,
    /// Bytes of our own.
    Full(Bytes),
    /// From a node, as long as the exchange goes on.
    Node(Box<NodeBody>),
    /// What follows the body.
    Trailers(Box<HeaderMap>),
    /// After a 101: the connection to the node, which speaks no HTTP any more.
    Upgraded(Box<Upgraded>),
}

/// The rest of an exchange.
pub struct NodeBody {
    /// The exchange; its head has been taken.
    pub exchange: Exchange,
    /// Where the connection is kept afterwards, when it is the exchange's own.
    pub key: Option<PoolKey>,
    /// How it is kept.
    pub keepalive: KeepalivePool,
    /// Whether the length that the node told still holds.
    pub length_holds: bool,
}

/// The answer cannot be completed; hyper breaks the connection or the stream off, so that the
/// client sees it.
#[derive(Debug, thiserror::Error)]
#[error("answer broken off: {}", .0.as_str())]
pub struct BrokenOff(Reason);

/// An answer of our own: header filters have not run yet.
pub fn own(
    mut transaction: Box<Transaction>,
    response: weir_plugin_api::Response,
) -> Response<ResponseBody> {
    let length = told_length(&transaction, &response);
    let (mut head, mut body) = respond::render(response);
    if respond::is_grpc(&transaction.context.request.headers) {
        respond::speak_grpc(&mut head, &mut body);
    }
    transaction.context.record.from_gateway = true;
    let filtered = filter_head(&mut transaction, head)
        .and_then(|head| Ok((last_piece(&mut transaction, &head, &mut body)?, head)));
    let (source, mut head) = match filtered {
        Ok(filtered) => filtered,
        // No plugin is left that could fail again.
        Err(reason) => return failed(transaction, reason),
    };
    if let Some(length) = length.filter(|_| !head.body_changes) {
        head.headers.insert(header::CONTENT_LENGTH, length);
    }
    transaction.completed();
    finish(transaction, head, source)
}

/// What a plugin tells of the length of a body that HEAD is not sent.
fn told_length(
    transaction: &Transaction,
    response: &weir_plugin_api::Response,
) -> Option<HeaderValue> {
    if transaction.context.request.method != Method::HEAD {
        return None;
    }
    let mut fields = response.headers.iter();
    let (_, length) = fields.find(|(name, _)| *name == header::CONTENT_LENGTH)?;
    let length: u64 = length.to_str().ok()?.parse().ok()?;
    Some(length.into())
}

/// The answer to a request that failed while it was answered.
fn failed(mut transaction: Box<Transaction>, reason: Reason) -> Response<ResponseBody> {
    transaction.failed(reason);
    own(transaction, respond::failure(reason))
}

/// An answer of a node.
pub fn from_node(
    mut transaction: Box<Transaction>,
    head: ResponseHead,
    mut body: Box<NodeBody>,
) -> Response<ResponseBody> {
    if transaction.context.keep_node_head {
        transaction.context.node_head = Some(head.clone());
    }
    let mut head = match filter_head(&mut transaction, head) {
        Ok(head) => head,
        Err(reason) => return failed(transaction, reason),
    };
    if head.body_changes {
        head.headers.remove(header::CONTENT_LENGTH);
        body.length_holds = false;
    }
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return upgraded(transaction, head, *body);
    }
    if body.exchange.is_complete() {
        let last = last_piece(&mut transaction, &head, &mut Bytes::new());
        let source = match last {
            Ok(source) => source,
            Err(reason) => return failed(transaction, reason),
        };
        release(&mut transaction, *body);
        return finish(transaction, head, source);
    }
    finish(transaction, head, Source::Node(body))
}

/// The answer to an upgrade. What follows is no answer's body: filters do not see it, and the time
/// for the answer is over.
fn upgraded(
    mut transaction: Box<Transaction>,
    head: ResponseHead,
    body: NodeBody,
) -> Response<ResponseBody> {
    transaction.deadline = None;
    transaction.completed();
    let source = match body.exchange.into_upgraded(&transaction.worker.buffers) {
        Ok(upgraded) => Source::Upgraded(Box::new(upgraded)),
        // A filter made a 101 out of something else.
        Err(_) => Source::Done,
    };
    finish(transaction, head, source)
}

/// Filters a body that is known whole. What cannot be sent (the answer to HEAD, 204, 304) is
/// dropped after the filters have seen the end.
fn last_piece(
    transaction: &mut Transaction,
    head: &ResponseHead,
    piece: &mut Bytes,
) -> Result<Source, Reason> {
    transaction.filter_body(piece, true)?;
    if piece.is_empty() || !respond::has_body(head.status, &transaction.context.request.method) {
        return Ok(Source::Done);
    }
    transaction.sending(piece);
    Ok(Source::Full(std::mem::take(piece)))
}

fn filter_head(transaction: &mut Transaction, head: ResponseHead) -> Result<ResponseHead, Reason> {
    transaction.context.response = Some(head);
    transaction.filter_header()?;
    let head = if transaction.keeps_head() {
        transaction.context.response.clone()
    } else {
        transaction.context.response.take()
    };
    Ok(head.unwrap_or_else(|| ResponseHead {
        status: http::StatusCode::INTERNAL_SERVER_ERROR,
        headers: HeaderMap::new(),
        body_changes: true,
    }))
}

fn finish(
    mut transaction: Box<Transaction>,
    mut head: ResponseHead,
    source: Source,
) -> Response<ResponseBody> {
    let settings = &transaction.worker.settings;
    let statuses = &transaction.context.record.upstream_statuses;
    let failed = statuses
        .last()
        .is_some_and(|status| (500..600).contains(status));
    if (failed || settings.show_upstream_status) && !statuses.is_empty() {
        let text = Statuses(statuses).to_string();
        if let Ok(value) = HeaderValue::from_str(&text) {
            head.headers.insert(UPSTREAM_STATUS, value);
        }
    }
    let reason = transaction.context.record.reason;
    if settings.show_reason && !reason.is_empty() {
        head.headers
            .insert(REASON, HeaderValue::from_static(reason));
    }
    if let Some(server) = &settings.server {
        head.headers.insert(header::SERVER, server.clone());
    }
    if transaction.context.request.version == Version::HTTP_2 {
        // There a connection is not ended by a field.
        head.headers.remove(header::CONNECTION);
    }
    transaction.answering(&head);
    let mut response = Response::new(ResponseBody {
        source,
        transaction,
        broken: None,
    });
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    response
}

/// Ends the exchange: the connection goes back, if it may.
fn release(transaction: &mut Transaction, body: NodeBody) {
    let NodeBody {
        exchange,
        key,
        keepalive,
        ..
    } = body;
    transaction.tries.completed(None);
    transaction.context.record.request_bytes += exchange.uploaded();
    transaction.completed();
    let worker = &transaction.worker;
    if let (Some(connection), Some(key)) = (exchange.finish(&worker.buffers), key) {
        worker.pool.give(key, connection, &keepalive);
    }
}

impl ResponseBody {
    /// The connection to the node, when this is the body of a 101; whatever goes over it is told to
    /// [`ResponseBody::moved`].
    pub fn take_upgraded(&mut self) -> Option<Box<Upgraded>> {
        match std::mem::replace(&mut self.source, Source::Done) {
            Source::Upgraded(upgraded) => Some(upgraded),
            other => {
                self.source = other;
                None
            }
        }
    }

    /// Counts bytes of a tunnel.
    pub fn moved(&mut self, direction: Direction, bytes: usize) {
        let record = &mut self.transaction.context.record;
        let bytes = bytes as u64;
        match direction {
            Direction::Up => record.request_bytes += bytes,
            Direction::Down => {
                record.body_bytes += bytes;
                record.response_bytes += bytes;
            }
        }
    }

    /// Notes how a tunnel ended.
    pub fn tunnel_ended(&mut self, reason: Option<Reason>) {
        self.transaction.tries.completed(reason);
        if let Some(reason) = reason {
            self.transaction.failed(reason);
        }
    }

    /// Notes which rule the request's body breaks.
    pub fn note_detail(&mut self, detail: &'static str) {
        self.transaction.detail = detail;
    }

    /// The next piece from the node, through the filters.
    fn poll_node(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Reason>>> {
        loop {
            let Source::Node(body) = &mut self.source else {
                return Poll::Ready(None);
            };
            let deadline = self.transaction.deadline.as_ref();
            if deadline.is_some_and(|timer| timer.poll_expired(cx)) {
                return Poll::Ready(Some(Err(Reason::TimeoutRequest)));
            }
            let (mut piece, end) = match std::task::ready!(body.exchange.poll_body(cx)) {
                Some(Ok(Piece::Data(piece))) => (piece, body.exchange.is_complete()),
                Some(Ok(Piece::Trailers(last))) => {
                    self.transaction.context.trailers = Some(last);
                    (Bytes::new(), true)
                }
                Some(Err(reason)) => return Poll::Ready(Some(Err(reason))),
                None => (Bytes::new(), true),
            };
            if let Err(reason) = self.transaction.filter_body(&mut piece, end) {
                return Poll::Ready(Some(Err(reason)));
            }
            if self.transaction.context.abort_response {
                // A filter found that the head which went out promised what the body is not.
                return Poll::Ready(Some(Err(Reason::ResponseTruncated)));
            }
            if end && let Source::Node(body) = std::mem::replace(&mut self.source, Source::Done) {
                release(&mut self.transaction, *body);
                if let Some(trailers) = self.transaction.context.trailers.take() {
                    self.source = Source::Trailers(Box::new(trailers));
                }
            }
            if !piece.is_empty() {
                self.transaction.sending(&piece);
                return Poll::Ready(Some(Ok(piece)));
            }
        }
    }

    fn take_trailers(&mut self) -> Option<Result<Frame<Bytes>, BrokenOff>> {
        match std::mem::replace(&mut self.source, Source::Done) {
            Source::Trailers(trailers) => Some(Ok(Frame::trailers(*trailers))),
            _ => None,
        }
    }

    /// Ends the exchange for a failure. hyper drops what it has not flushed when a body fails, so
    /// it gets one turn to flush before it is told.
    fn break_off(&mut self, reason: Reason) {
        self.broken = Some(reason);
        self.transaction.failed(reason);
        if let Source::Node(body) = std::mem::replace(&mut self.source, Source::Done) {
            self.transaction.tries.completed(Some(reason));
            self.transaction.context.record.request_bytes += body.exchange.uploaded();
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        // The client left in the middle.
        if let Source::Node(body) = &self.source {
            self.transaction.context.record.request_bytes += body.exchange.uploaded();
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if let Some(reason) = self.broken {
            return Poll::Ready(Some(Err(BrokenOff(reason))));
        }
        match &mut self.source {
            Source::Done | Source::Upgraded(_) => Poll::Ready(None),
            Source::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.source = Source::Done;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Source::Trailers(_) => Poll::Ready(self.take_trailers()),
            Source::Node(_) => match std::task::ready!(self.poll_node(cx)) {
                None => Poll::Ready(self.take_trailers()),
                Some(Ok(piece)) => Poll::Ready(Some(Ok(Frame::data(piece)))),
                Some(Err(reason)) => {
                    self.break_off(reason);
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.source, Source::Done) && self.broken.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Done => SizeHint::with_exact(0),
            Source::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Node(body) if body.length_holds => body
                .exchange
                .remaining()
                .map_or_else(SizeHint::default, SizeHint::with_exact),
            Source::Node(_) | Source::Trailers(_) | Source::Upgraded(_) => SizeHint::default(),
        }
    }
}
