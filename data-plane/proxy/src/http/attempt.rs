//! One try of a request on one node: resolve, connect, exchange. What a failure means for the
//! request is decided elsewhere (`proxying.rs`).

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use http::{HeaderValue, Method, StatusCode};
use weir_model::upstream::{KeepalivePool, PassHost};
use weir_plugin_api::{NodeAddress, ResponseHead};

use super::pipeline::Outcome;
use super::response::NodeBody;
use super::target;
use super::transaction::Transaction;
use crate::error::Reason;
use crate::origin::Failure;
use crate::origin::h1::codec::{Connection, Exchange};
use crate::origin::h1::head;
use crate::origin::h1::parse::Head;
use crate::origin::upload::Upload;
use crate::upstream::connect::{self, Destination};
use crate::upstream::pool::PoolKey;
use crate::upstream::retry;
use crate::upstream::runtime::{Picked, UpstreamRuntime};
use crate::upstream::timeout::Limits;
use crate::upstream::transport::Protocol;
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
    key: PoolKey,
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
            while let Poll::Ready(Some(Ok(piece))) = self.exchange.poll_body(cx) {
                match left.checked_sub(piece.len()) {
                    Some(rest) => left = rest,
                    None => break,
                }
            }
            Poll::Ready(())
        })
        .await;
        if let Some(connection) = self.exchange.finish(&worker.buffers) {
            worker.pool.give(self.key, connection, &keepalive);
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
        let Some(transport) = &self.upstream.transport else {
            return Err(Failed::Request(Reason::UnsupportedScheme));
        };
        if transport.protocol != Protocol::H1 {
            return Err(Failed::Request(Reason::UnsupportedScheme));
        }
        let Some(host) = self.host() else {
            return Err(Failed::Request(Reason::BadRequest));
        };
        let addresses = self.addresses().await;
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
        let client = SocketAddr::new(request.client_ip, request.peer.port());
        let destination = Destination {
            preface: transport.preface(client, request.local),
            addresses,
            tls,
        };
        loop {
            let (connection, key) = match self.connection(&destination).await {
                Ok(connection) => connection,
                Err(reason) => return Err(Failed::Try(Failure::unsent(reason), upload)),
            };
            let (failure, returned) = match self.exchange(connection, &host, upload).await {
                Ok((head, exchange)) => {
                    return Ok(Answer {
                        head,
                        exchange,
                        key,
                    });
                }
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

    /// A kept connection, or a new one.
    async fn connection(&self, destination: &Destination) -> Result<(Connection, PoolKey), Reason> {
        let worker = &self.transaction.worker;
        if let Some(key) = destination.key()
            && let Some(kept) = worker.pool.take(&key)
        {
            worker.metrics.reuses.add(1);
            return Ok((kept, key));
        }
        let began = Instant::now();
        worker.metrics.connects.add(1);
        let limit = self.limits.cut(self.limits.connect, began);
        let connected = connect::connect(destination, limit, &worker.wheel).await;
        let connected = connected.map_err(|reason| match reason {
            Reason::TimeoutConnect => self.limits.reached(reason, Instant::now()),
            _ => reason,
        });
        let timer = worker.wheel.timer();
        let tries = &self.transaction.tries;
        tries.connected(self.number, began.elapsed());
        let connected = connected?;
        let key = destination.key_of(connected.address.clone());
        tries.resolved(self.number, connected.address);
        Ok((Connection::new(connected.stream, timer), key))
    }

    async fn exchange(
        &self,
        connection: Connection,
        host: &HeaderValue,
        upload: Upload,
    ) -> Result<(Head, Exchange), (Failure, Upload)> {
        let buffers = &self.transaction.worker.buffers;
        let context = &self.transaction.context;
        let uri = match &context.target.uri {
            Some(uri) => uri.clone(),
            None => node_uri(&context.request.path, context.request.query.as_deref()),
        };
        let mut bytes = buffers.take();
        let parts = head::Parts {
            method: self.method,
            uri: &uri,
            host,
            headers: &context.request.headers,
            length: upload.length(),
        };
        head::put(&parts, &mut bytes);
        let mut exchange = Exchange::new(
            connection,
            bytes,
            upload,
            self.method.clone(),
            self.limits,
            buffers.take(),
        );
        let began = Instant::now();
        let answered = poll_fn(|cx| exchange.poll_head(cx)).await;
        let tries = &self.transaction.tries;
        tries.heard(self.number, began.elapsed());
        match answered {
            Ok(head) => Ok((head, exchange)),
            Err(failure) => {
                let upload = exchange.into_upload(&self.transaction.worker.buffers);
                Err((failure, upload))
            }
        }
    }

    /// Addresses of the node, the one to take first. A name with several is spread over them.
    async fn addresses(&self) -> Vec<NodeAddress> {
        let host = &self.picked.host;
        if let Some(path) = host.strip_prefix("unix:") {
            return vec![NodeAddress::Unix(Arc::from(path))];
        }
        let worker = &self.transaction.worker;
        let addresses = worker.names.resolve(host).await;
        let start = match addresses.len() {
            0 | 1 => 0,
            count => usize::try_from(worker.random() % (count as u64)).unwrap_or(0),
        };
        connect::order(&addresses, start, |address| address.is_ipv6())
            .into_iter()
            .map(|address| SocketAddr::new(address, self.picked.port).into())
            .collect()
    }

    /// `Host` for the node: what a plugin set, else what `pass_host` says.
    fn host(&self) -> Option<HeaderValue> {
        let context = &self.transaction.context;
        let config = &self.upstream.config;
        let text = match (&context.target.host, config.pass_host) {
            (Some(host), _) => host.as_str(),
            (None, PassHost::Pass) => context.request.authority.as_str(),
            (None, PassHost::Node) => &self.picked.authority,
            (None, PassHost::Rewrite) => config.upstream_host.as_deref().unwrap_or_default(),
        };
        HeaderValue::from_str(text).ok()
    }
}

fn node_uri(path: &str, query: Option<&str>) -> String {
    let extra = query.map_or(0, |query| query.len() + 1);
    let mut uri = String::with_capacity(path.len() + extra);
    target::encode_path(path, &mut uri);
    if let Some(query) = query {
        uri.push('?');
        uri.push_str(query);
    }
    uri
}
