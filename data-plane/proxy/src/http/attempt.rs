//! One try of a request on one node: resolve, connect, exchange. What a failure means for the
//! request is decided elsewhere (`proxying.rs`).

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use http::{HeaderValue, Method, StatusCode};
use weir_model::upstream::KeepalivePool;
use weir_plugin_api::ResponseHead;

use super::pipeline::Outcome;
use super::response::NodeBody;
use super::transaction::Transaction;
use super::upgrade::Accept;
use super::{forward, target};
use crate::error::Reason;
use crate::origin::Failure;
use crate::origin::exchange::{Exchange, Head, Piece};
use crate::origin::h1::head::{self, Parts};
use crate::origin::h1::parse::Asked;
use crate::origin::upload::Upload;
use crate::origin::{h1, h2};
use crate::upstream::acquire::{Channel, acquire};
use crate::upstream::connect::Destination;
use crate::upstream::pool::PoolKey;
use crate::upstream::reach::addresses_of;
use crate::upstream::retry;
use crate::upstream::runtime::{Picked, UpstreamRuntime};
use crate::upstream::timeout::Limits;
use crate::upstream::transport::Transport;
use crate::worker::Worker;

/// Bytes of a discarded answer that are read to keep its connection.
const WORTH_READING: usize = 64 * 1024;

/// A try that is about to be made.
pub struct Attempt<'a> {
    /// The request.
    pub transaction: &'a Transaction,
    /// Where it goes.
    pub upstream: &'a UpstreamRuntime,
    /// The node.
    pub picked: &'a Picked,
    /// Number of this try among those of the request.
    pub number: usize,
    /// Method as sent to the node.
    pub method: &'a Method,
    /// Limits of this try.
    pub limits: Limits,
}

/// A node's answer, up to its body.
pub struct Answer {
    head: Head,
    exchange: Exchange,
    key: Option<PoolKey>,
}

/// How a try ended without an answer.
pub enum Failed {
    /// The node failed; the body may be sent again when it is still whole.
    Try(Failure, Upload),
    /// Nothing more can be tried.
    Request(Reason),
}

impl Answer {
    /// Status that the node gave.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.head.status
    }

    /// The request body, some of which may be unsent.
    #[must_use]
    pub fn upload(&mut self) -> &mut Upload {
        self.exchange.upload()
    }

    /// Throws the answer away and gives the request body back, for another try. The connection is
    /// kept if the rest of the answer is there already and short.
    pub async fn discard(mut self, worker: &Worker, keepalive: KeepalivePool) -> Upload {
        let upload = self.exchange.take_upload();
        let mut left = WORTH_READING;
        poll_fn(|cx| {
            while let Poll::Ready(Some(Ok(Piece::Data(piece)))) = self.exchange.poll_body(cx) {
                match left.checked_sub(piece.len()) {
                    Some(rest) => left = rest,
                    None => break,
                }
            }
            Poll::Ready(())
        })
        .await;
        if let (Some(connection), Some(key)) = (self.exchange.finish(&worker.buffers), self.key) {
            worker.pool.give(key, connection, &keepalive);
        }
        upload
    }

    /// The answer as it goes on to the client; its connection is kept as `keepalive` says.
    #[must_use]
    pub fn into_outcome(self, keepalive: KeepalivePool) -> Outcome {
        let body = NodeBody {
            exchange: self.exchange,
            key: self.key,
            keepalive,
            length_holds: true,
        };
        let head = ResponseHead {
            status: self.head.status,
            headers: self.head.headers,
            body_changes: false,
        };
        Outcome::Node(Box::new(head), Box::new(body))
    }
}

impl Attempt<'_> {
    /// Makes the try. A kept connection that turns out closed is replaced on the way, without
    /// counting as a try.
    ///
    /// # Errors
    /// How it failed. Its times are noted in the transaction.
    pub async fn run(self, mut upload: Upload) -> Result<Answer, Failed> {
        let Some(transport) = self.upstream.http() else {
            return Err(Failed::Request(Reason::UnsupportedScheme));
        };
        let Some(host) = self.host() else {
            return Err(Failed::Request(Reason::BadRequest));
        };
        let worker = &self.transaction.worker;
        let addresses = addresses_of(worker, self.picked, &transport.names).await;
        let Some(first) = addresses.first() else {
            let failure = Failure::unsent(Reason::DnsFailure);
            return Err(Failed::Try(failure, upload));
        };
        let tries = &self.transaction.tries;
        tries.resolved(self.number, first.clone());
        let named = host.to_str().unwrap_or_default();
        let Ok(tls) = transport.tls_for(named, &self.picked.host) else {
            let failure = Failure::unsent(Reason::TlsHandshake);
            return Err(Failed::Try(failure, upload));
        };
        let request = &self.transaction.context.request;
        let client = SocketAddr::new(request.client_ip, request.client_port);
        let entered = request
            .relay
            .map_or(request.local, |relay| relay.destination);
        let destination = Destination {
            preface: transport.preface(client, entered),
            addresses,
            tls,
            places: self.upstream.load.places(self.picked.index).map(Arc::clone),
        };
        let context = &self.transaction.context;
        let uri = match &context.target.uri {
            Some(uri) => uri.clone(),
            None => target::node_uri(&request.path, request.query.as_deref()),
        };
        let parts = Parts {
            method: self.method,
            uri: &uri,
            host: &host,
            headers: &request.headers,
            length: upload.length(),
            upgrade: self.transaction.upgrade,
        };
        loop {
            let channel = match self.channel(transport, &destination).await {
                Ok(channel) => channel,
                Err(reason) => return Err(Failed::Try(Failure::unsent(reason), upload)),
            };
            let exchanging = pin!(self.exchange(channel, transport, &parts, upload));
            let (failure, returned) = match exchanging.await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            upload = returned;
            let on = &self.upstream.config.retry_on;
            if !retry::may_replace(on, self.method, failure, upload.can_rewind()) {
                return Err(Failed::Try(failure, upload));
            }
            upload.rewind();
        }
    }

    async fn channel(
        &self,
        transport: &Transport,
        destination: &Destination,
    ) -> Result<Channel, Reason> {
        let worker = &self.transaction.worker;
        let now = Instant::now();
        let limit = self.limits.cut(self.limits.connect, now);
        let acquired = acquire(worker, transport, destination, limit, now).await;
        let acquired = acquired.map_err(|reason| match reason {
            Reason::TimeoutConnect | Reason::TimeoutPending => {
                self.limits.reached(reason, Instant::now())
            }
            _ => reason,
        })?;
        let tries = &self.transaction.tries;
        if let Some(took) = acquired.took {
            tries.connected(self.number, took);
        }
        if let Some(address) = acquired.address {
            tries.resolved(self.number, address);
        }
        Ok(acquired.channel)
    }

    async fn exchange(
        &self,
        channel: Channel,
        transport: &Transport,
        parts: &Parts<'_>,
        upload: Upload,
    ) -> Result<Answer, (Failure, Upload)> {
        let worker = &self.transaction.worker;
        let (mut exchange, key) = match channel {
            Channel::Own(connection, key) => {
                let mut head = worker.buffers.take();
                head::put(parts, &mut head);
                let asked = Asked {
                    method: self.method.clone(),
                    accept: match parts.upgrade {
                        true => Accept::of(parts.headers),
                        false => None,
                    },
                };
                let (limits, buffers) = (self.limits, worker.buffers.clone());
                let exchange =
                    h1::codec::Exchange::new(connection, head, upload, asked, limits, buffers);
                (Exchange::H1(Box::new(exchange)), Some(key))
            }
            Channel::Shared(lease) => {
                let node = &self.picked.authority;
                let secure = transport.tls.is_some();
                let Some(request) = h2::request(parts, secure, node, transport.grpc) else {
                    return Err((Failure::unsent(Reason::BadRequest), upload));
                };
                let timer = worker.wheel.timer();
                let begun = h2::Exchange::begin(lease, request, upload, self.limits, timer);
                let begun = begun.map_err(|refused| *refused)?;
                (Exchange::H2(Box::new(begun)), None)
            }
        };
        let began = Instant::now();
        let answered = poll_fn(|cx| {
            let answered = exchange.poll_head(cx);
            while let Some(interim) = exchange.take_interim() {
                if let Some(back) = &self.transaction.back {
                    back.tell(&interim);
                }
            }
            answered
        })
        .await;
        let tries = &self.transaction.tries;
        tries.heard(self.number, began.elapsed());
        match answered {
            Ok(head) => Ok(Answer {
                head,
                exchange,
                key,
            }),
            Err(failure) => Err((failure, exchange.into_upload(&worker.buffers))),
        }
    }

    /// `Host` for the node: what a plugin set, else what `pass_host` says.
    fn host(&self) -> Option<HeaderValue> {
        let context = &self.transaction.context;
        let text = forward::host(context, &self.upstream.config, &self.picked.authority);
        HeaderValue::from_str(text).ok()
    }
}
