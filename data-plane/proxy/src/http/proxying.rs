//! The tries of one request: pick a node, try it, and decide what a failure means.

use std::sync::Arc;
use std::time::Instant;

use http::Method;
use weir_model::field::timeout::Timeouts;

use super::attempt::{Answer, Attempt, Failed};
use super::forward;
use super::pipeline::Outcome;
use super::request::ClientBody;
use super::transaction::Transaction;
use crate::error::{Blame, Reason};
use crate::origin::Failure;
use crate::origin::upload::Upload;
use crate::upstream::retry::{self, Decision};
use crate::upstream::runtime::UpstreamRuntime;
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
            let number = self.transaction.tries.begin(Arc::clone(&picked.authority));
            let attempt = Attempt {
                transaction: self.transaction,
                number,
                upstream: self.upstream,
                picked: &picked,
                method: &self.method,
                limits: self.limits,
            };
            let (failure, returned) = match attempt.run(upload).await {
                Ok(answer) => return self.answered(number, answer),
                Err(Failed::Request(reason)) => {
                    self.transaction.tries.failed(number, reason);
                    return Outcome::Failed(reason);
                }
                Err(Failed::Try(failure, returned)) => (failure, returned),
            };
            upload = returned;
            self.note_failure(number, failure.reason);
            match self.decide(failure, &upload) {
                Decision::GiveUp(reason) => return Outcome::Failed(reason),
                Decision::Next => {}
            }
            self.transaction.worker.metrics.retries.add(1);
            self.transaction.worker.metrics.failed(failure.reason);
            self.tries_left = self.tries_left.saturating_sub(1);
            last = Some(failure.reason);
            upload.rewind();
        }
    }

    fn decide(&self, failure: Failure, upload: &Upload) -> Decision {
        retry::decide(&retry::Facts {
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

    fn answered(self, number: usize, answer: Answer) -> Outcome {
        let status = answer.status().as_u16();
        self.transaction.tries.answered(number, status);
        self.transaction.note_tries();
        let record = &mut self.transaction.context.record;
        record.upstream_statuses.push(status);
        if let Some(try_under_way) = &self.transaction.in_flight {
            try_under_way.answered();
        }
        answer.into_outcome(self.upstream.config.keepalive_pool.unwrap_or_default())
    }

    /// The log tells a status also for tries without answer.
    fn note_failure(&mut self, number: usize, reason: Reason) {
        let status = reason.status().as_u16();
        self.transaction.tries.failed(number, reason);
        self.transaction.note_tries();
        let record = &mut self.transaction.context.record;
        record.upstream_statuses.push(status);
        if let Some(try_under_way) = &self.transaction.in_flight
            && reason.blame() == Blame::Upstream
        {
            try_under_way.failed();
        }
    }
}
