//! A watch that tries again by itself, and what it has seen.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use weir_model::registry::Registry as Document;

use crate::{Error, Seen, build, lookup, reports};

/// What a watch knows.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The last report.
    pub seen: Option<Seen>,
    /// Why the last attempt failed; none once there was a report.
    pub error: Option<Error>,
    /// Reports so far.
    pub reports: u64,
    /// Failures so far.
    pub failures: u64,
}

impl State {
    /// The endpoints as text; empty when there is no report yet.
    #[must_use]
    pub fn endpoints(&self) -> Vec<String> {
        let set = self.seen.as_ref().map(|seen| seen.set.endpoints());
        set.unwrap_or_default()
            .iter()
            .map(ToString::to_string)
            .collect()
    }
}

/// A watch. Dropping it ends it.
pub struct Watch {
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Watch {
    /// Follows what `upstream` looks up in `registry`; after a failure again, soon.
    #[must_use]
    pub fn start(registry: &Value, upstream: &Value) -> Self {
        let document = Document::parse(registry).expect("a registry document");
        let lookup = lookup(&document, upstream).expect("a lookup");
        let registry = build(&document, &|_| None).expect("a registry");
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            let lock = || shared.lock().unwrap_or_else(PoisonError::into_inner);
            loop {
                let (reporter, mut reports) = reports();
                let listen = async {
                    loop {
                        let seen = reports.next().await;
                        let mut state = lock();
                        state.seen = Some(seen);
                        state.error = None;
                        state.reports += 1;
                    }
                };
                tokio::select! {
                    biased;
                    () = listen => {}
                    Err(error) = registry.watch(&lookup, reporter) => {
                        let mut state = lock();
                        state.error = Some(error);
                        state.failures += 1;
                    }
                }
                sleep(Duration::from_millis(100)).await;
            }
        });
        Self { state, task }
    }

    /// What it knows now.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until it knows what `fits`; says how long that took.
    pub async fn until(
        &self,
        what: &str,
        limit: Duration,
        fits: impl Fn(&State) -> bool,
    ) -> Duration {
        let began = Instant::now();
        loop {
            let state = self.state();
            if fits(&state) {
                return began.elapsed();
            }
            assert!(
                began.elapsed() < limit,
                "{what}: not within {limit:?}; last seen: {:?}, error {:?}, {state:?}",
                state.endpoints(),
                state.error,
            );
            sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until it sees exactly these endpoints, without error.
    pub async fn sees(&self, endpoints: &[&str], limit: Duration) -> Duration {
        self.until(&format!("sees {endpoints:?}"), limit, |state| {
            state.seen.is_some() && state.error.is_none() && state.endpoints() == endpoints
        })
        .await
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}
