//! Keeps a worker running: one that ends though nobody told it to is started again.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::telemetry::panics;

/// Pause before it is started again: shorter than clients wait, longer than a busy loop.
const PAUSE: Duration = Duration::from_millis(100);

/// Runs `work` until it ends because `stopping`, on the current thread.
pub fn supervise(
    worker: usize,
    stopping: impl Fn() -> bool,
    mut work: impl FnMut() -> io::Result<()>,
) {
    loop {
        // Each run builds its own state; what a panic leaves half done is dropped.
        let ended = catch_unwind(AssertUnwindSafe(&mut work));
        if stopping() {
            if let Ok(Err(error)) = ended {
                tracing::error!(%error, worker, "worker ended");
            }
            return;
        }
        match ended {
            Ok(Ok(())) => tracing::error!(worker, "worker ended untold, starting it again"),
            Ok(Err(error)) => tracing::error!(%error, worker, "worker failed, starting it again"),
            Err(_) => tracing::error!(worker, "worker panicked, starting it again"),
        }
        panics::count_restart();
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_worker_that_ends_is_started_again_until_it_may() {
        let runs = Cell::new(0);
        supervise(
            0,
            || runs.get() == 4,
            || {
                runs.set(runs.get() + 1);
                match runs.get() {
                    1 => panic!("on purpose"),
                    2 => Err(io::ErrorKind::Other.into()),
                    _ => Ok(()),
                }
            },
        );
        assert_eq!(runs.get(), 4);
    }
}
