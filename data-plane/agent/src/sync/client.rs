//! Keeps a stream open to one of the control nodes, whichever answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::backoff;
use super::mirror::Mirror;
use super::session::{self, Identity};
use crate::plane::Plane;

/// A stream that lived this long was a good one: the next attempt comes at once.
const GOOD: Duration = Duration::from_secs(10);

/// Follows the control plane until `shutdown`. Nodes are tried in turns, from a random one on, so
/// that a fleet spreads.
pub(crate) async fn run(
    control: Vec<String>,
    identity: Identity,
    plane: Arc<Plane>,
    mut mirror: Mirror,
    shutdown: CancellationToken,
) {
    let mut turn = plane.env.environment.random();
    let mut failures: u32 = 0;
    loop {
        let count = control.len().max(1) as u64;
        let at = usize::try_from(turn % count).unwrap_or(0);
        let Some(address) = control.get(at) else {
            return;
        };
        let started = Instant::now();
        let stream = session::run(address, &identity, &plane, &mut mirror);
        let Some(reason) = shutdown.run_until_cancelled(stream).await else {
            return;
        };
        let was_connected = {
            let mut facts = plane.facts.lock();
            let was = std::mem::replace(&mut facts.connected, false);
            facts.control_node = None;
            facts.last_error = Some(format!("{address}: {reason}"));
            was
        };
        if was_connected {
            tracing::warn!("lost control node {address}: {reason}");
        } else {
            tracing::debug!("cannot follow control node {address}: {reason}");
        }
        turn = turn.wrapping_add(1);
        failures = if was_connected && started.elapsed() >= GOOD {
            1
        } else {
            failures + 1
        };
        // The first round over all nodes is quick: one of them is likely alive.
        let rounds = 1 + (failures - 1) / u32::try_from(count).unwrap_or(1);
        let wait = backoff::wait(rounds, plane.env.environment.random());
        if shutdown
            .run_until_cancelled(tokio::time::sleep(wait))
            .await
            .is_none()
        {
            return;
        }
    }
}
