//! The tries of one request: pick a node, connect, exchange, and decide what a failure means.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http::{HeaderValue, Method};
use weir_model::field::timeout::Timeouts;
use weir_model::upstream::{KeepalivePool, PassHost, Scheme};
use weir_plugin_api::ResponseHead;

use super::pipeline::Outcome;
use super::request::ClientBody;
use super::response::NodeBody;
use super::transaction::Transaction;
use super::{forward, target};
use crate::error::{Blame, Reason};
use crate::origin::h1::codec::{Connection, Exchange, Failure};
use crate::origin::h1::head;
use crate::origin::h1::parse::Head;
use crate::origin::h1::upload::Upload;
use crate::upstream::connect;
use crate::upstream::pool::PoolKey;
use crate::upstream::retry::{self, Attempt, Decision};
use crate::upstream::runtime::{Picked, UpstreamRuntime};
use crate::upstream::timeout::Limits;

/// A request on its way to some node.
pub struct Proxying<'t> {
    transaction: &'t mut Transaction,
    upstream: &'t UpstreamRuntime,
    limits: Limits,
    started: Instant,
    tries_left: u32,
    tried: Vec<usize>,
    method: Method,
}

/// A try that did not fail.
struct Answer {
    head: Head,
    exchange: Exchange,
    key: PoolKey,
    started: Instant,
}

/// How one try ended without an answer.
enum Failed {
    /// The node failed; the body may be sent again when it is still whole.
    Try(Failure, Upload),
    /// Nothing more can be tried.
    Request(Reason),
}

impl<'t> Proxying<'t> {
    /// Prepares; `timeout` is the route's and wins over the upstream's.
    pub fn new(
        transaction: &'t mut Transaction,
        upstream: &'t UpstreamRuntime,
        timeout: Option<&Timeouts>,
    ) -> Self {
        let config = &upstream.config;
        let default = Timeouts::default();
        let timeout = timeout.or(config.timeout.as_ref()).unwrap_or(&default);
        let limits = Limits::new(timeout, transaction.worker.settings.limits.body);
        let method = transaction.context.target.method.clone();
        let method = method.unwrap_or_else(|| transaction.context.request.method.clone());
        Self {
            limits,
            started: Instant::now(),
            tries_left: upstream.retries(),
            tried: Vec::new(),
            method,
            upstream,
            transaction,
        }
    }

    /// Tries nodes until one answers or nothing more may be tried.
    pub async fn run(mut self, body: ClientBody) -> Outcome {
        if self.upstream.config.scheme != Scheme::Http {
            return Outcome::Failed(Reason::UnsupportedScheme);
        }
        forward::finish(&mut self.transaction.context.request);
        let mut upload = Upload::new(body);
        let mut last = None;
        loop {
            let next = self.upstream.pick(&self.transaction.context, &self.tried);
            let Some((picked, in_flight)) = next else {
                return Outcome::Failed(last.unwrap_or(Reason::NoUsableNode));
            };
            self.tried.push(picked.index);
            self.transaction.in_flight = Some(in_flight);
            let context = &mut self.transaction.context;
            if let Some(answer) = self.transaction.chain.before_proxy(context).await {
                return Outcome::Own(answer);
            }
            let (failure, returned) = match self.try_node(&picked, upload).await {
                Ok(answer) => return self.answered(answer),
                Err(Failed::Request(reason)) => return Outcome::Failed(reason),
                Err(Failed::Try(failure, returned)) => (failure, returned),
            };
            upload = returned;
            self.note_failure(failure.reason);
            match self.decide(failure, &upload) {
                Decision::GiveUp(reason) => return Outcome::Failed(reason),
                Decision::Next | Decision::Replace => {}
            }
            self.transaction.worker.metrics.retries.add(1);
            self.transaction.worker.metrics.failed(failure.reason);
            self.tries_left = self.tries_left.saturating_sub(1);
            last = Some(failure.reason);
            upload.rewind();
        }
    }

    fn decide(&self, failure: Failure, upload: &Upload) -> Decision {
        retry::decide(&Attempt {
            method: &self.method,
            failure,
            repeatable: upload.can_rewind(),
            tries_left: self.tries_left,
            elapsed: self.started.elapsed(),
            retry_timeout: self
                .upstream
                .config
                .retry_timeout
                .filter(|limit| !limit.is_zero()),
        })
    }

    /// One try on one node; a kept connection that turns out closed is replaced on the way.
    async fn try_node(&mut self, picked: &Picked, mut upload: Upload) -> Result<Answer, Failed> {
        let started = Instant::now();
        let failed = |reason, upload| {
            let failure = Failure {
                reason,
                sent: false,
                stale: false,
            };
            Failed::Try(failure, upload)
        };
        let Some(address) = self.address(picked).await else {
            return Err(failed(Reason::DnsFailure, upload));
        };
        self.transaction.trying(address);
        let Some(host) = self.host(picked) else {
            return Err(Failed::Request(Reason::BadRequest));
        };
        let key = PoolKey {
            tls: false,
            address,
        };
        loop {
            let connection = match self.connection(&key).await {
                Ok(connection) => connection,
                Err(reason) => {
                    self.transaction.context.record.upstream += started.elapsed();
                    return Err(failed(reason, upload));
                }
            };
            let (failure, returned) = match self.exchange(connection, &host, upload).await {
                Ok((head, exchange)) => {
                    return Ok(Answer {
                        head,
                        exchange,
                        key,
                        started,
                    });
                }
                Err(failed) => failed,
            };
            upload = returned;
            if self.decide(failure, &upload) != Decision::Replace {
                self.transaction.context.record.upstream += started.elapsed();
                return Err(Failed::Try(failure, upload));
            }
            upload.rewind();
        }
    }

    async fn connection(&mut self, key: &PoolKey) -> Result<Connection, Reason> {
        let worker = &self.transaction.worker;
        if let Some(kept) = worker.pool.take(key) {
            worker.metrics.reuses.add(1);
            self.transaction.context.record.connect = Duration::ZERO;
            return Ok(kept);
        }
        let began = Instant::now();
        worker.metrics.connects.add(1);
        let connected =
            connect::connect(key.address, self.limits.connect, worker.wheel.timer()).await;
        self.transaction.context.record.connect = began.elapsed();
        connected
    }

    async fn exchange(
        &mut self,
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
            method: &self.method,
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
        self.transaction.context.record.first_byte = began.elapsed();
        match answered {
            Ok(head) => Ok((head, exchange)),
            Err(failure) => {
                let upload = exchange.into_upload(&self.transaction.worker.buffers);
                Err((failure, upload))
            }
        }
    }

    fn answered(self, answer: Answer) -> Outcome {
        let Answer {
            head,
            exchange,
            key,
            started,
        } = answer;
        let record = &mut self.transaction.context.record;
        record.upstream_statuses.push(head.status.as_u16());
        if let Some(try_under_way) = &self.transaction.in_flight {
            try_under_way.answered();
        }
        let keepalive: KeepalivePool = self.upstream.config.keepalive_pool.unwrap_or_default();
        let body = NodeBody {
            exchange,
            key,
            keepalive,
            started,
            length_holds: true,
        };
        let head = ResponseHead {
            status: head.status,
            headers: head.headers,
            body_changes: false,
        };
        Outcome::Node(Box::new(head), Box::new(body))
    }

    /// The log tells a status also for tries without answer.
    fn note_failure(&mut self, reason: Reason) {
        let status = reason.status().as_u16();
        let record = &mut self.transaction.context.record;
        record.upstream_statuses.push(status);
        if let Some(try_under_way) = &self.transaction.in_flight
            && reason.blame() == Blame::Upstream
        {
            try_under_way.failed();
        }
    }

    /// An address of the node; a name with several is spread over them.
    async fn address(&self, picked: &Picked) -> Option<SocketAddr> {
        let worker = &self.transaction.worker;
        let addresses = worker.names.resolve(&picked.host).await;
        let count = u64::try_from(addresses.len())
            .ok()
            .filter(|count| *count > 0)?;
        let at = if count == 1 {
            0
        } else {
            worker.random() % count
        };
        let address = addresses.get(usize::try_from(at).ok()?)?;
        Some(SocketAddr::new(*address, picked.port))
    }

    /// `Host` for the node: what a plugin set, else what `pass_host` says.
    fn host(&self, picked: &Picked) -> Option<HeaderValue> {
        let context = &self.transaction.context;
        let config = &self.upstream.config;
        let text = match (&context.target.host, config.pass_host) {
            (Some(host), _) => host.as_str(),
            (None, PassHost::Pass) => context.request.authority.as_str(),
            (None, PassHost::Node) => &picked.authority,
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
