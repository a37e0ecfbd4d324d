//! Removes resources whose `ttl` has passed. Every node looks, only the leader asks.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weir_raft::{Handle, Role};
use weir_store::{Command, State};

/// How often to look: `ttl` is in whole seconds.
const INTERVAL: Duration = Duration::from_millis(500);

/// Runs until `stop`. `now_ms` is the clock.
pub(crate) async fn run(raft: Handle, now_ms: fn() -> u64, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
        let at_ms = now_ms();
        if raft.status().role == Role::Leader
            && due(&raft.stale(), at_ms)
            && let Err(error) = raft.write(Command::Expire { at_ms }).await
        {
            tracing::warn!(%error, "expired resources were not removed, trying again");
        }
    }
}

/// Whether any resource is past its time.
fn due(state: &State, at_ms: u64) -> bool {
    state.next_expiry_ms().is_some_and(|next| next <= at_ms)
}
