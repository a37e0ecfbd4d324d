//! The tries of one request: pick a node, try it, and follow what is decided about the rest.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;
use weir_model::field::timeout::Timeouts;
use weir_model::upstream::{Hedge, Upstream};

use super::attempt::{Answer, Attempt, Failed};
use super::choosing::{Candidate, NoNode, next_node};
use super::forward;
use super::hedging::{self, Race};
use super::pipeline::Outcome;
use super::request::ClientBody;
use super::transaction::Transaction;
use crate::error::Reason;
use crate::origin::replay::{Bounds, Lost};
use crate::origin::upload::Upload;
use crate::upstream::retry::{self, Ended, Facts, Stop};
use crate::upstream::runtime::UpstreamRuntime;
use crate::upstream::timeout::Limits;

/// A request on its way to some node.
pub struct Proxying<'t> {
    transaction: &'t mut Transaction,
    upstream: &'t UpstreamRuntime,
    limits: Limits,
    started: Instant,
    tries_left: u32,
    retries: u32,
    tried: Vec<usize>,
    method: Method,
}

/// The next try.
struct Next {
    candidate: Candidate,
    pause: Duration,
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
            retries: 0,
            tried: Vec::new(),
            method,
            upstream,
            transaction,
        }
    }

    /// Tries nodes until one answers or nothing more may be tried.
    pub async fn run(mut self, body: ClientBody) -> Outcome {
        let config = &self.upstream.config;
        let Ok(inside) = self.upstream.load.enter(config) else {
            return Outcome::Failed(Reason::UpstreamOverflow);
        };
        self.transaction.inside = inside;
        self.transaction.account = self.upstream.load.account(config);
        forward::finish(&mut self.transaction.context.request);
        let wheel = &self.transaction.worker.wheel;
        let timed = config.request_timeout.map(|limit| (limit, wheel.timer()));
        let outcome = {
            // It is large, and there is one of it.
            let tries = pin!(self.tries(body));
            match &timed {
                Some((limit, timer)) => timer.within(*limit, tries).await,
                None => Some(tries.await),
            }
        };
        let Some(outcome) = outcome else {
            self.transaction.abandon(Reason::TimeoutRequest);
            return Outcome::Failed(Reason::TimeoutRequest);
        };
        if let Some((limit, timer)) = timed {
            // It goes on while the answer does.
            timer.arm(limit.saturating_sub(self.started.elapsed()));
            self.transaction.deadline = Some(timer);
        }
        outcome
    }

    async fn tries(&mut self, body: ClientBody) -> Outcome {
        let mut upload = Upload::new(body, self.replay_bounds());
        let mut next = match next_node(self.transaction, self.upstream, &mut self.tried) {
            Ok(candidate) => Next {
                candidate,
                pause: Duration::ZERO,
            },
            Err(NoNode::Untried) => return Outcome::Failed(Reason::NoUsableNode),
            Err(NoNode::Full) => return Outcome::Failed(Reason::UpstreamOverflow),
            Err(NoNode::Crowded) => return Outcome::Failed(Reason::PendingOverflow),
        };
        loop {
            self.pause(next.pause).await;
            let context = &mut self.transaction.context;
            context.record.node_host = Arc::clone(&next.candidate.picked.host);
            context.record.node_authority = Arc::clone(&next.candidate.picked.authority);
            match self.transaction.chain.before_proxy(context).await {
                Ok(None) => {}
                Ok(Some(answer)) => match self.other() {
                    Some(candidate) => {
                        next.candidate = candidate;
                        next.pause = Duration::ZERO;
                        continue;
                    }
                    None => return Outcome::Own(answer),
                },
                Err(reason) => return Outcome::Failed(reason),
            }
            let (number, ended) = match self.config().hedge {
                Some(hedge)
                    if hedging::is_idempotent(&self.method) && !self.transaction.upgrade =>
                {
                    self.hedged(next.candidate, upload, hedge).await
                }
                _ => pin!(self.alone(next.candidate, upload)).await,
            };
            match ended {
                Ok(mut answer) => {
                    self.note_answer(number, &answer);
                    let status = answer.status().as_u16();
                    if !retry::wants_another(&self.upstream.config.retry_on, status) {
                        return self.pass_on(answer, true);
                    }
                    let whole = answer.upload().whole().await;
                    next = match self.plan(Ended::Answered(status), whole) {
                        Ok(next) => next,
                        Err(stop) => {
                            self.transaction.not_retried = stop.as_str();
                            return self.pass_on(answer, false);
                        }
                    };
                    let keepalive = self.upstream.config.keepalive_pool.unwrap_or_default();
                    self.transaction.tries.completed(None);
                    upload = answer.discard(&self.transaction.worker, keepalive).await;
                }
                Err(Failed::Request(reason)) => {
                    self.transaction.tries.failed(number, reason);
                    return Outcome::Failed(reason);
                }
                Err(Failed::Try(failure, returned)) => {
                    upload = returned;
                    self.note_failure(number, failure.reason);
                    let whole = upload.whole().await;
                    next = match self.plan(Ended::Failed(failure), whole) {
                        Ok(next) => next,
                        Err(stop) => return self.give_up(failure.reason, stop),
                    };
                    self.transaction.worker.metrics.failed(failure.reason);
                }
            }
            self.transaction.in_flight = None;
            self.transaction.worker.metrics.retries.add(1);
            upload.rewind();
        }
    }

    /// Another node, when a plugin answered only because of this one.
    fn other(&mut self) -> Option<Candidate> {
        if !std::mem::take(&mut self.transaction.context.pass_over_node) {
            return None;
        }
        let known = self.tried.clone();
        let candidate = next_node(self.transaction, self.upstream, &mut self.tried).ok()?;
        // Where every node had its turn they come round again, which would never end here.
        (!known.contains(&candidate.picked.index)).then_some(candidate)
    }

    fn config(&self) -> &'t Upstream {
        &self.upstream.config
    }

    /// One try, by itself. Gives its number.
    async fn alone(
        &mut self,
        candidate: Candidate,
        upload: Upload,
    ) -> (usize, Result<Answer, Failed>) {
        let Candidate { picked, counted } = candidate;
        self.transaction.in_flight = Some(counted);
        let now = Instant::now();
        let tries = &self.transaction.tries;
        let number = tries.begin(Arc::clone(&picked.authority), now);
        let attempt = Attempt {
            transaction: self.transaction,
            number,
            upstream: self.upstream,
            picked: &picked,
            method: &self.method,
            limits: self.limits.of_try(now, self.config().try_timeout),
        };
        (number, pin!(attempt.run(upload)).await)
    }

    /// A try that gets others beside it when it is slow. A body is sent to all of them, so it is
    /// awaited first; one that memory may not hold is sent to one node only.
    async fn hedged(
        &mut self,
        candidate: Candidate,
        mut upload: Upload,
        hedge: Hedge,
    ) -> (usize, Result<Answer, Failed>) {
        let timer = self.transaction.worker.wheel.timer();
        match upload.gather(&timer, self.limits.client).await {
            Ok(true) => {}
            Ok(false) => return self.alone(candidate, upload).await,
            Err(reason) => {
                let tries = &self.transaction.tries;
                let authority = Arc::clone(&candidate.picked.authority);
                let number = tries.begin(authority, Instant::now());
                return (number, Err(Failed::Request(reason)));
            }
        }
        let mut account = self.transaction.account.take();
        let race = Race {
            transaction: self.transaction,
            upstream: self.upstream,
            method: &self.method,
            limits: self.limits,
            hedge,
            account: account.as_mut(),
            tried: &mut self.tried,
            body: upload,
        };
        let finish = race.run(candidate).await;
        self.transaction.account = account;
        for reason in finish.lost {
            self.transaction.worker.metrics.failed(reason);
            let status = reason.status().as_u16();
            self.transaction
                .context
                .record
                .upstream_statuses
                .push(status);
        }
        self.transaction.in_flight = Some(finish.counted);
        (finish.number, finish.ended)
    }

    /// The next try, if there may be one.
    fn plan(&mut self, ended: Ended, body: Result<(), Lost>) -> Result<Next, Stop> {
        let config = &self.upstream.config;
        let number = self.retries + 1;
        let random = self.transaction.worker.random();
        let pause = retry::pause(config.retry_backoff.as_ref(), number, random);
        retry::decide(&Facts {
            method: &self.method,
            on: &config.retry_on,
            ended,
            body,
            tries_left: self.tries_left,
            elapsed: self.started.elapsed(),
            pause,
            retry_timeout: config.retry_timeout,
        })?;
        let next = next_node(self.transaction, self.upstream, &mut self.tried);
        let candidate = next.map_err(|_| Stop::Nodes)?;
        let account = self.transaction.account.as_mut();
        if !account.is_none_or(|account| account.take()) {
            return Err(Stop::Budget);
        }
        self.tries_left -= 1;
        self.retries = number;
        Ok(Next { candidate, pause })
    }

    /// How much of the request body is kept. What can be sent only once is not worth the disk.
    fn replay_bounds(&self) -> Bounds {
        let worker = &self.transaction.worker;
        let replay = &worker.settings.replay;
        let again =
            self.tries_left > 0 && retry::may_repeat(&self.upstream.config.retry_on, &self.method);
        Bounds {
            memory: replay.memory,
            size: replay.size,
            spills: again.then(|| worker.spills.clone()),
        }
    }

    async fn pause(&self, pause: Duration) {
        if pause.is_zero() {
            return;
        }
        let timer = self.transaction.worker.wheel.timer();
        timer.within(pause, std::future::pending::<()>()).await;
    }

    /// The failure of the last try becomes that of the request.
    fn give_up(&mut self, last: Reason, stop: Stop) -> Outcome {
        if let Some(account) = &mut self.transaction.account {
            account.failed();
        }
        self.transaction.not_retried = stop.as_str();
        let reason = match stop {
            Stop::Time => Reason::RetryTimeout,
            Stop::Budget => Reason::RetryBudget,
            _ => return Outcome::Failed(last),
        };
        self.transaction.worker.metrics.failed(last);
        if stop == Stop::Budget {
            // The client is told what it would be told had this been the last try anyhow.
            return Outcome::FailedAs(reason, last.status());
        }
        Outcome::Failed(reason)
    }

    /// The answer goes to the client; `good` says that it is not one that should be repeated.
    fn pass_on(&mut self, mut answer: Answer, good: bool) -> Outcome {
        if let Some(account) = &mut self.transaction.account {
            if good {
                account.answered();
            } else {
                account.failed();
            }
        }
        answer.upload().settle();
        answer.into_outcome(self.upstream.config.keepalive_pool.unwrap_or_default())
    }

    fn note_answer(&mut self, number: usize, answer: &Answer) {
        let status = answer.status().as_u16();
        self.transaction.tries.answered(number, status);
        self.transaction.note_tries();
        let record = &mut self.transaction.context.record;
        record.upstream_statuses.push(status);
        if let Some((in_flight, _)) = &self.transaction.in_flight {
            in_flight.answered(status);
        }
    }

    /// The log tells a status also for tries without answer.
    fn note_failure(&mut self, number: usize, reason: Reason) {
        let status = reason.status().as_u16();
        self.transaction.tries.failed(number, reason);
        self.transaction.note_tries();
        let record = &mut self.transaction.context.record;
        record.upstream_statuses.push(status);
        if let Some((in_flight, _)) = &self.transaction.in_flight {
            in_flight.failed(reason);
        }
    }
}
