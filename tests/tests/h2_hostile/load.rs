//! A good client that asks at a steady rate: what it gets less of is what attackers took from it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use weir_tests::percentiles::percentile;
use weir_tests::wait::until;

use super::client::{PATIENCE, Target};
use super::stage::Good;

/// Requests at the same time.
const STREAMS: usize = 4;
/// Between two requests of one of them.
const PACE: Duration = Duration::from_millis(10);

/// What came of it.
pub(crate) struct Done {
    pub(crate) failures: Vec<String>,
}

/// What it got in some time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Got {
    pub(crate) answers: u64,
    pub(crate) per_second: f64,
    pub(crate) p99: Duration,
}

pub(crate) struct Load {
    answered: Arc<AtomicU64>,
    /// How long each request took since somebody asked.
    times: Arc<Mutex<Vec<Duration>>>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    pub(crate) async fn start(target: &Target) -> Self {
        let good = Arc::new(Good::connect(target).await);
        let answered = Arc::new(AtomicU64::new(0));
        let times = Arc::new(Mutex::new(Vec::new()));
        let stop = CancellationToken::new();
        let tasks = (0..STREAMS).map(|_| {
            let (good, answered, stop) = (Arc::clone(&good), Arc::clone(&answered), stop.clone());
            let times = Arc::clone(&times);
            tokio::spawn(async move {
                let mut failures = Vec::new();
                let mut pace = tokio::time::interval(PACE);
                while !stop.is_cancelled() && failures.len() < 10 {
                    pace.tick().await;
                    let began = Instant::now();
                    match good.ask().await {
                        Ok(200) => {
                            answered.fetch_add(1, Ordering::Relaxed);
                            times.lock().unwrap().push(began.elapsed());
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
            times,
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

    /// What it got while something else happened, and what that gave.
    pub(crate) async fn both<T>(&self, work: impl Future<Output = T>) -> (Got, T) {
        self.times.lock().unwrap().clear();
        let began = Instant::now();
        let given = work.await;
        let took = began.elapsed();
        let mut times = std::mem::take(&mut *self.times.lock().unwrap());
        let got = Got {
            answers: times.len() as u64,
            per_second: times.len() as f64 / took.as_secs_f64(),
            p99: percentile(&mut times, 99),
        };
        (got, given)
    }

    /// [`Self::both`] for what gives nothing.
    pub(crate) async fn during(&self, work: impl Future<Output = ()>) -> Got {
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
