//! Waiting for a condition, with a deadline that says what was last seen.

use std::fmt::Display;
use std::future::Future;
use std::time::{Duration, Instant};

/// Asks again until the answer is `Ok`, and returns it.
///
/// # Panics
/// When the deadline passes, with the last `Err`.
pub async fn until<T, E, F, Fut>(what: &str, limit: Duration, mut ask: F) -> T
where
    E: Display,
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_millis(2);
    loop {
        match ask().await {
            Ok(value) => return value,
            Err(seen) if Instant::now() >= deadline => {
                panic!("{what}: not within {limit:?}; last seen: {seen}")
            }
            Err(_) => tokio::time::sleep(pause).await,
        }
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
