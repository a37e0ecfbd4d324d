//! A sign of life on stderr for what takes more than a second, on a terminal only.

use std::future::Future;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::{Instant, sleep_until};

use crate::output::Console;

/// Nothing is shown before this has passed.
const QUIET: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(100);

/// Progress of one command. It disappears when dropped.
pub(crate) struct Progress {
    bar: ProgressBar,
    terminal: bool,
    show_at: Instant,
}

impl Progress {
    /// Starts counting; `what` is shown beside the bar.
    pub(crate) fn start(console: &Console, what: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        bar.set_message(what);
        Self {
            bar,
            terminal: console.err_terminal,
            show_at: Instant::now() + QUIET,
        }
    }

    /// Awaits `future`, and shows that it is still going on.
    pub(crate) async fn during<T>(&self, future: impl Future<Output = T>) -> T {
        tokio::pin!(future);
        if self.terminal && self.bar.is_hidden() {
            tokio::select! {
                biased;
                done = &mut future => return done,
                () = sleep_until(self.show_at) => self.show(),
            }
        }
        future.await
    }

    /// So much of `total` is done.
    pub(crate) fn advance(&self, done: u64, total: u64) {
        if total > 0 && self.bar.length() != Some(total) {
            self.bar.set_length(total);
            if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}") {
                self.bar.set_style(style);
            }
        }
        self.bar.set_position(done);
    }

    fn show(&self) {
        self.bar.set_draw_target(ProgressDrawTarget::stderr());
        self.bar.enable_steady_tick(TICK);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
