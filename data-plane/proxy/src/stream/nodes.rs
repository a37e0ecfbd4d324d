//! The nodes of one stream: which to try, and what follows when one fails before anything came of
//! it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;
use weir_plugin_api::NodeAddress;

use super::session::Session;
use crate::error::Reason;
use crate::http::choosing::{Candidate, NoNode, choose};
use crate::origin::Failure;
use crate::upstream::budget::Account;
use crate::upstream::reach::addresses_of;
use crate::upstream::retry::{self, Ended, Facts, Stop};
use crate::upstream::runtime::{Picked, UpstreamRuntime};

/// A node that a try goes to.
pub(super) struct Node {
    pub(super) picked: Picked,
    /// Addresses of the node, the one to take first.
    pub(super) addresses: Vec<NodeAddress>,
    /// Number of the try.
    pub(super) number: usize,
}

/// The tries of one stream.
pub(super) struct Nodes {
    upstream: Arc<UpstreamRuntime>,
    tried: Vec<usize>,
    tries_left: u32,
    retries: u32,
    account: Option<Account>,
    started: Instant,
    next: Option<(Candidate, Duration)>,
}

impl Nodes {
    /// Takes a place in the upstream, and the first node.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn begin(
        session: &mut Session,
        upstream: &Arc<UpstreamRuntime>,
    ) -> Result<Self, Reason> {
        let inside = upstream.load.enter(&upstream.config);
        session.inside = inside.map_err(|_| Reason::UpstreamOverflow)?;
        let mut nodes = Self {
            upstream: Arc::clone(upstream),
            tried: Vec::new(),
            tries_left: upstream.retries(),
            retries: 0,
            account: upstream.load.account(&upstream.config),
            started: Instant::now(),
            next: None,
        };
        let first = nodes.choose(session).map_err(|none| match none {
            NoNode::Untried => Reason::NoUsableNode,
            NoNode::Full => Reason::UpstreamOverflow,
            NoNode::Crowded => Reason::PendingOverflow,
        })?;
        nodes.next = Some((first, Duration::ZERO));
        Ok(nodes)
    }

    fn choose(&mut self, session: &Session) -> Result<Candidate, NoNode> {
        let context = &session.context;
        choose(context, &context.host, &self.upstream, &mut self.tried)
    }

    /// The node to try now, with its addresses.
    ///
    /// # Errors
    /// No further node may be tried.
    pub(super) async fn next(&mut self, session: &mut Session) -> Result<Node, Reason> {
        loop {
            let (candidate, pause) = self.next.take().ok_or(Reason::NoUsableNode)?;
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            let Candidate { picked, counted } = candidate;
            session.in_flight = Some(counted);
            session.context.record.node_host = Arc::clone(&picked.host);
            let authority = Arc::clone(&picked.authority);
            let number = session.tries.begin(authority, Instant::now());
            let names = &self.upstream.transport.names;
            let addresses = addresses_of(&session.worker, &picked, names).await;
            match addresses.first() {
                Some(first) => {
                    session.tries.resolved(number, first.clone());
                    return Ok(Node {
                        picked,
                        addresses,
                        number,
                    });
                }
                None => self.failed(session, number, Reason::DnsFailure)?,
            }
        }
    }

    /// The node is there: for TCP it took the connection, for UDP it answered.
    pub(super) fn answered(&mut self, session: &Session, number: usize) {
        session.tries.answered(number, 200);
        if let Some((in_flight, _)) = &session.in_flight {
            in_flight.answered(200);
        }
        if let Some(account) = &mut self.account {
            account.answered();
        }
    }

    /// The try failed before anything came of it.
    ///
    /// # Errors
    /// Why the stream fails: no other node may be tried.
    pub(super) fn failed(
        &mut self,
        session: &mut Session,
        number: usize,
        reason: Reason,
    ) -> Result<(), Reason> {
        session.tries.failed(number, reason);
        if let Some((in_flight, _)) = session.in_flight.take() {
            in_flight.failed(reason);
        }
        let metrics = Arc::clone(&session.worker.metrics);
        match self.plan(session, reason) {
            Ok(next) => {
                metrics.failed(reason);
                metrics.retries.add(1);
                self.next = Some(next);
                Ok(())
            }
            Err(stop) => {
                if let Some(account) = &mut self.account {
                    account.failed();
                }
                session.not_retried = stop.as_str();
                let ends_as = match stop {
                    Stop::Time => Reason::RetryTimeout,
                    Stop::Budget => Reason::RetryBudget,
                    _ => return Err(reason),
                };
                metrics.failed(reason);
                Err(ends_as)
            }
        }
    }

    /// The next try, if there may be one.
    fn plan(&mut self, session: &Session, reason: Reason) -> Result<(Candidate, Duration), Stop> {
        let upstream = Arc::clone(&self.upstream);
        let config = &upstream.config;
        let number = self.retries + 1;
        let random = session.worker.random();
        let pause = retry::pause(config.retry_backoff.as_ref(), number, random);
        retry::decide(&Facts {
            // Nothing had any effect yet.
            method: &Method::GET,
            on: &config.retry_on,
            ended: Ended::Failed(Failure::unsent(reason)),
            body: Ok(()),
            tries_left: self.tries_left,
            elapsed: self.started.elapsed(),
            pause,
            retry_timeout: config.retry_timeout,
        })?;
        let candidate = self.choose(session).map_err(|_| Stop::Nodes)?;
        let account = self.account.as_mut();
        if !account.is_none_or(|account| account.take()) {
            return Err(Stop::Budget);
        }
        self.tries_left -= 1;
        self.retries = number;
        Ok((candidate, pause))
    }
}
