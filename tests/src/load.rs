//! Steady load through an agent, bounded by the test that starts it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;

use http::Method;

use crate::client::{Answer, Client};
use crate::wait::until;

/// How long a request of a [`Target`] may take.
const LIMIT: Duration = Duration::from_secs(20);
/// How long an answer that is waited for may take to come.
const PATIENCE: Duration = Duration::from_secs(60);
/// Loops that see whether something holds, and the time between two requests of one.
const WATCHERS: usize = 4;
const PAUSE: Duration = Duration::from_millis(10);

type Check = dyn Fn(&Answer) -> Result<(), String> + Send + Sync;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Target {
    url: String,
    headers: Vec<(String, String)>,
    limit: Duration,
}

impl Target {
    /// GET `url`.
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            headers: Vec::new(),
            limit: LIMIT,
        }
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same, where an answer that takes longer is a failure.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    async fn ask(&self, client: &Client) -> Result<Answer, String> {
        let headers = self.headers.iter();
        let headers: Vec<_> = headers
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        client.try_send(Method::GET, &self.url, &headers, "").await
    }

    /// Waits until an answer passes `check`, and sends requests for `time` from then on: all of them
    /// must pass.
    pub async fn settles(
        &self,
        time: Duration,
        check: impl Fn(&Answer) -> Result<(), String> + Clone + Send + Sync + 'static,
    ) {
        let client = Client::new(self.limit);
        until(&self.url, PATIENCE, || async {
            let answer = self.ask(&client).await?;
            check(&answer).map_err(|wrong| format!("{wrong}: {} {}", answer.status, answer.text()))
        })
        .await;
        let load = Load::on(self, WATCHERS, PAUSE, check);
        tokio::time::sleep(time).await;
        load.stop().await.assert_clean();
    }
}

/// Requests in a loop until stopped.
pub struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    failures: Arc<Mutex<Vec<String>>>,
    tasks: JoinSet<()>,
}

/// What became of the load.
#[derive(Debug)]
pub struct Outcome {
    /// Requests that were answered as they should.
    pub answered: u64,
    /// The first failures, with what was wrong.
    pub failures: Vec<String>,
}

impl Load {
    /// Starts `clients` loops of GET `url`, each with `pause` between requests; `check` says what
    /// is wrong with an answer.
    pub fn start(
        url: &str,
        clients: usize,
        pause: Duration,
        check: impl Fn(&Answer) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        Self::on(&Target::new(url), clients, pause, check)
    }

    /// The same with a target.
    pub fn on(
        target: &Target,
        clients: usize,
        pause: Duration,
        check: impl Fn(&Answer) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        let check: Arc<Check> = Arc::new(check);
        let mut load = Self {
            stop: Arc::default(),
            done: Arc::default(),
            failures: Arc::default(),
            tasks: JoinSet::new(),
        };
        for _ in 0..clients {
            let (stop, done) = (Arc::clone(&load.stop), Arc::clone(&load.done));
            let (failures, check) = (Arc::clone(&load.failures), Arc::clone(&check));
            let target = target.clone();
            load.tasks.spawn(async move {
                let client = Client::new(target.limit);
                while !stop.load(Ordering::Relaxed) {
                    let result = target.ask(&client).await.and_then(|answer| {
                        check(&answer).map_err(|wrong| {
                            format!("{wrong}: {} {}", answer.status, answer.text())
                        })
                    });
                    match result {
                        Ok(()) => {
                            done.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(wrong) => {
                            let mut list = failures.lock().unwrap_or_else(PoisonError::into_inner);
                            list.push(wrong);
                        }
                    }
                    tokio::time::sleep(pause).await;
                }
            });
        }
        load
    }

    /// Requests answered well so far.
    pub fn answered(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Ends the load and says what became of it.
    pub async fn stop(mut self) -> Outcome {
        self.stop.store(true, Ordering::Relaxed);
        while self.tasks.join_next().await.is_some() {}
        let failures =
            std::mem::take(&mut *self.failures.lock().unwrap_or_else(PoisonError::into_inner));
        Outcome {
            answered: self.answered(),
            failures,
        }
    }
}

impl Outcome {
    /// Fails the test when any request failed.
    pub fn assert_clean(&self) {
        let shown = &self.failures[..self.failures.len().min(5)];
        assert!(
            self.failures.is_empty(),
            "{} of {} requests failed, first: {shown:#?}",
            self.failures.len(),
            self.failures.len() as u64 + self.answered,
        );
        assert!(self.answered > 0, "the load sent nothing");
    }
}
