//! A good client that asks all the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use weir_tests::wait::until;

use super::client::{PATIENCE, Target};
use super::stage::Good;

/// Requests at the same time.
const STREAMS: usize = 4;

/// What came of it.
pub(crate) struct Done {
    pub(crate) failures: Vec<String>,
}

pub(crate) struct Load {
    answered: Arc<AtomicU64>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    pub(crate) async fn start(target: &Target) -> Self {
        let good = Arc::new(Good::connect(target).await);
        let answered = Arc::new(AtomicU64::new(0));
        let stop = CancellationToken::new();
        let tasks = (0..STREAMS).map(|_| {
            let (good, answered, stop) = (Arc::clone(&good), Arc::clone(&answered), stop.clone());
            tokio::spawn(async move {
                let mut failures = Vec::new();
                while !stop.is_cancelled() && failures.len() < 10 {
                    match good.ask().await {
                        Ok(200) => {
                            answered.fetch_add(1, Ordering::Relaxed);
                        }
                        other => failures.push(format!("{other:?}")),
                    }
                }
                failures
            })
        });
        Self {
            tasks: tasks.collect(),
            answered,
            stop,
        }
    }

    /// Waits for so many answers.
    pub(crate) async fn answers(&self, count: u64) {
        until("good requests are answered", PATIENCE, || async {
            let so_far = self.answered.load(Ordering::Relaxed);
            if so_far >= count { Ok(()) } else { Err(so_far) }
        })
        .await;
    }

    /// Answers per second while something else happens, and what that gave.
    pub(crate) async fn both<T>(&self, work: impl Future<Output = T>) -> (f64, T) {
        let (before, began) = (self.answered.load(Ordering::Relaxed), Instant::now());
        let given = work.await;
        let answered = self.answered.load(Ordering::Relaxed) - before;
        (answered as f64 / began.elapsed().as_secs_f64(), given)
    }

    /// [`Self::both`] for what gives nothing.
    pub(crate) async fn during(&self, work: impl Future<Output = ()>) -> f64 {
        self.both(work).await.0
    }

    pub(crate) async fn stop(self) -> Done {
        self.stop.cancel();
        let mut failures = Vec::new();
        for task in self.tasks {
            failures.extend(task.await.expect("the load does not panic"));
        }
        Done { failures }
    }
}
