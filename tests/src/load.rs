//! Steady load through an agent, bounded by the test that starts it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::client::{Answer, Client};

type Check = dyn Fn(&Answer) -> Result<(), String> + Send + Sync;

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
            let url = url.to_owned();
            load.tasks.spawn(async move {
                let client = Client::default();
                while !stop.load(Ordering::Relaxed) {
                    let result = client.try_get(&url).await.and_then(|answer| {
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
