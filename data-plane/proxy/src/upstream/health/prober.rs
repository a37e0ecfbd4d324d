//! The task that probes one target, for as long as it is wanted.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::rules::Active;
use super::target::{Moment, Side, Target};
use crate::runtime::Environment;

/// The first probe comes within this time, or within the interval when that is shorter.
const FIRST: Duration = Duration::from_millis(500);
/// Intervals vary by this much, up and down, so that probes of many agents spread.
const JITTER_PERCENT: u64 = 10;

/// Probes until the task is aborted, which closes what is open.
pub(super) async fn run(target: Arc<Target>, environment: Arc<dyn Environment>) {
    let rules = Arc::clone(&target.rules);
    let (Some(active), Some(probe), Some(address)) =
        (&rules.active, &target.probe, target.probed_address())
    else {
        return;
    };
    let first = interval(active, &target).min(FIRST);
    sleep_until(Instant::now() + part(first, environment.random())).await;
    loop {
        // Closed never.
        let turn = active.turns.acquire().await;
        let started = Instant::now();
        let finding = probe.run(address, active.timeout).await;
        drop(turn);
        target.report(Side::Active, &finding, Moment::of(&*environment));
        loop {
            let wait = jittered(interval(active, &target), environment.random());
            tokio::select! {
                () = sleep_until(started + wait) => break,
                // Real requests may flip it, and the other interval holds then.
                () = target.flip.notified() => {}
            }
        }
    }
}

fn interval(active: &Active, target: &Target) -> Duration {
    if target.is_usable() {
        active.healthy_interval
    } else {
        active.unhealthy_interval
    }
}

/// A random part of a time.
fn part(time: Duration, random: u64) -> Duration {
    time.mul_f64((random % 1000) as f64 / 1000.0)
}

/// A time, a little longer or shorter.
fn jittered(time: Duration, random: u64) -> Duration {
    let percent = 100 - JITTER_PERCENT + random % (2 * JITTER_PERCENT + 1);
    time.mul_f64(percent as f64 / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_a_tenth() {
        let time = Duration::from_secs(10);
        for random in 0..1000 {
            let jittered = jittered(time, random);
            assert!(jittered >= Duration::from_secs(9) && jittered <= Duration::from_secs(11));
            assert!(part(time, random) < time);
        }
    }
}
