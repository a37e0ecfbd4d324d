//! Tries side by side: when a node is slow, another one is asked as well, and the answer that comes
//! first is taken (`hedge` of the upstream).

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use http::Method;
use weir_model::upstream::Hedge;

use super::attempt::{Answer, Attempt, Failed};
use super::choosing::{Candidate, next_node};
use super::transaction::Transaction;
use crate::error::Reason;
use crate::origin::upload::Upload;
use crate::upstream::budget::Account;
use crate::upstream::load::Inside;
use crate::upstream::node::InFlight;
use crate::upstream::runtime::UpstreamRuntime;
use crate::upstream::timeout::Limits;
use crate::worker::wheel::Timer;

/// Whether sending a request of this method twice does what sending it once does.
#[must_use]
pub fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE
    )
}

/// What all tries of a race share.
pub struct Race<'a> {
    /// The request.
    pub transaction: &'a Transaction,
    /// Where it goes.
    pub upstream: &'a UpstreamRuntime,
    /// Method as sent to the nodes.
    pub method: &'a Method,
    /// Limits of each try.
    pub limits: Limits,
    /// When another node is asked.
    pub hedge: Hedge,
    /// The part of the retry budget.
    pub account: Option<&'a mut Account>,
    /// Nodes that the request asked already.
    pub tried: &'a mut Vec<usize>,
    /// The body, as often as it is needed.
    pub body: Upload,
}

/// How a race ended.
pub struct Finish {
    /// Number of the try that decided it.
    pub number: usize,
    /// What became of that.
    pub ended: Result<Answer, Failed>,
    /// Counts it on.
    pub counted: (InFlight, Option<Inside>),
    /// Why tries failed before it.
    pub lost: Vec<Reason>,
}

type Running<'a> = Pin<Box<dyn Future<Output = Result<Answer, Failed>> + 'a>>;

struct Runner<'a> {
    number: usize,
    counted: (InFlight, Option<Inside>),
    running: Running<'a>,
}

impl<'a> Race<'a> {
    /// Runs until a node answers, or none that was asked is left. Losers are cancelled.
    pub async fn run(mut self, first: Candidate) -> Finish {
        let timer = self.transaction.worker.wheel.timer();
        timer.arm(self.hedge.after);
        let mut runners = vec![self.start(first)];
        let mut lost = Vec::new();
        poll_fn(|cx| self.poll(cx, &timer, &mut runners, &mut lost)).await
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        timer: &Timer,
        runners: &mut Vec<Runner<'a>>,
        lost: &mut Vec<Reason>,
    ) -> Poll<Finish> {
        loop {
            if let Some(finish) = self.poll_runners(cx, runners, lost) {
                return Poll::Ready(finish);
            }
            if !timer.poll_expired(cx) {
                return Poll::Pending;
            }
            timer.disarm();
            let Some(next) = self.another() else {
                return Poll::Pending;
            };
            self.transaction.worker.metrics.hedges.add(1);
            runners.push(self.start(next));
            if self.hedge.max > 0 {
                timer.arm(self.hedge.after);
            }
        }
    }

    fn poll_runners(
        &self,
        cx: &mut Context<'_>,
        runners: &mut Vec<Runner<'a>>,
        lost: &mut Vec<Reason>,
    ) -> Option<Finish> {
        let mut at = 0;
        while let Some(runner) = runners.get_mut(at) {
            let Poll::Ready(ended) = runner.running.as_mut().poll(cx) else {
                at += 1;
                continue;
            };
            let runner = runners.swap_remove(at);
            if let Err(Failed::Try(failure, _)) = &ended
                && !runners.is_empty()
            {
                self.transaction.tries.failed(runner.number, failure.reason);
                runner.counted.0.failed(failure.reason);
                lost.push(failure.reason);
                continue;
            }
            for loser in runners.drain(..) {
                self.transaction.tries.cancelled(loser.number);
            }
            return Some(Finish {
                number: runner.number,
                ended,
                counted: runner.counted,
                lost: std::mem::take(lost),
            });
        }
        None
    }

    /// One more node, if there is one and it may be asked.
    fn another(&mut self) -> Option<Candidate> {
        self.hedge.max = self.hedge.max.checked_sub(1)?;
        let next = next_node(self.transaction, self.upstream, self.tried).ok()?;
        let account = self.account.as_mut();
        let within_budget = account.is_none_or(|account| account.take());
        within_budget.then_some(next)
    }

    fn start(&self, candidate: Candidate) -> Runner<'a> {
        let Candidate { picked, counted } = candidate;
        let (transaction, upstream, method) = (self.transaction, self.upstream, self.method);
        let now = Instant::now();
        let authority = Arc::clone(&picked.authority);
        let number = transaction.tries.begin(authority, now);
        let limits = self.limits.of_try(now, upstream.config.try_timeout);
        let upload = self.body.copy();
        let running = async move {
            let attempt = Attempt {
                transaction,
                upstream,
                picked: &picked,
                number,
                method,
                limits,
            };
            attempt.run(upload).await
        };
        Runner {
            number,
            counted,
            running: Box::pin(running),
        }
    }
}
