//! Work on many documents takes seconds, and must not hold up the heartbeats and streams that share
//! its threads.

/// Documents from which on it is done aside.
const MANY: usize = 16;

/// Runs `work` on `documents` documents: here when they are few, else on a thread for blocking
/// work. `None` when the runtime ends meanwhile.
pub(crate) async fn run<T, W>(documents: usize, work: W) -> Option<T>
where
    T: Send + 'static,
    W: FnOnce() -> T + Send + 'static,
{
    if documents < MANY {
        return Some(work());
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Some(done),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => None,
        },
    }
}
