//! Renews the secrets of TLS session tickets. Every node looks, only the leader asks.

use std::time::Duration;

use rand::TryRngCore;
use rand::rngs::OsRng;
use tokio_util::sync::CancellationToken;
use weir_model::{Key, Kind};
use weir_raft::{Handle, Role};
use weir_store::{Command, Secret, State};

/// How often to look.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long a secret is the newest one. The state keeps three, so that tickets of the longest life
/// (24 hours) can be read until they end.
const LIFE_MS: u64 = 12 * 60 * 60 * 1000;

/// Runs until `stop`. `now_ms` is the clock.
pub(crate) async fn run(raft: Handle, now_ms: fn() -> u64, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
        let at_ms = now_ms();
        let state = raft.stale();
        if raft.status().role != Role::Leader || !is_due(&state, at_ms) {
            continue;
        }
        let mut secret = Secret([0; 32]);
        if let Err(error) = OsRng.try_fill_bytes(&mut secret.0) {
            tracing::error!(%error, "the system has no randomness for session tickets");
            continue;
        }
        let command = Command::RotateTickets {
            secret,
            replaces: state.tickets.first().map(|newest| newest.made),
            at_ms,
        };
        if let Err(error) = raft.write(command).await {
            tracing::warn!(%error, "the secret of session tickets was not renewed, trying again");
        }
    }
}

/// Whether there is something to encrypt with, and no secret that is young enough.
fn is_due(state: &State, at_ms: u64) -> bool {
    let mut certificates = state.set.resources.range(Key::new(Kind::Ssl, "")..);
    let used = certificates
        .next()
        .is_some_and(|(key, _)| key.kind == Kind::Ssl);
    let newest = state.tickets.first();
    used && newest.is_none_or(|newest| at_ms.saturating_sub(newest.at_ms) >= LIFE_MS)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use weir_store::{Change, Operation, Precondition, Target, apply};

    use super::*;

    #[test]
    fn a_secret_is_made_for_the_first_certificate_and_renewed_after_its_life() {
        let mut state = State::default();
        assert!(!is_due(&state, 0));
        let put = Change {
            target: Target::Key(Key::new(Kind::Ssl, "1")),
            operation: Operation::Put {
                spec: json!({}).into(),
                expires_at_ms: None,
            },
            precondition: Precondition::None,
        };
        let write = Command::Write {
            changes: vec![put],
            at_ms: 0,
            author: String::new(),
            message: String::new(),
        };
        apply(&mut state, 1, write);
        assert!(is_due(&state, 5));
        let rotate = Command::RotateTickets {
            secret: Secret([1; 32]),
            replaces: None,
            at_ms: 5,
        };
        apply(&mut state, 2, rotate);
        assert!(!is_due(&state, 4 + LIFE_MS));
        assert!(is_due(&state, 5 + LIFE_MS));
    }
}
