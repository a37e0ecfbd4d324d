//! Secrets of session tickets: who may replace which, how many are kept, and that nothing shows
//! them.

use serde_json::json;

use super::fixture::{Log, put, rotate};
use crate::Outcome;

/// First bytes of the secrets, the newest first.
fn secrets(log: &Log) -> Vec<u8> {
    let secrets = log.state.tickets.iter();
    secrets.map(|ticket| ticket.secret.0[0]).collect()
}

#[test]
fn the_newest_three_are_kept_and_only_the_newest_is_replaced() {
    let mut log = Log::default();
    log.apply(rotate(1, None));
    assert_eq!(secrets(&log), [1]);
    // Another node that did not know of it comes late.
    log.apply(rotate(2, None));
    assert_eq!(secrets(&log), [1]);
    for byte in 3..6 {
        let newest = log.state.tickets[0].made;
        log.apply(rotate(byte, Some(newest)));
    }
    assert_eq!(secrets(&log), [5, 4, 3]);
}

#[test]
fn a_new_secret_is_no_revision() {
    let mut log = Log::default();
    log.write(vec![put("routes/1", json!({"uri": "/"}))]);
    let revision = log.state.set.revision;
    let outcome = log.apply(rotate(1, None));
    assert_eq!(
        outcome,
        Outcome::Done {
            revision,
            changed: Vec::new()
        }
    );
    assert_eq!(log.state.set.revision, revision);
    assert!(!crate::delta(&log.state, revision).full);
}

#[test]
fn commands_and_states_do_not_print_secrets() {
    let mut log = Log::default();
    let command = rotate(77, None);
    assert!(!format!("{command:?}").contains("77"));
    log.apply(command);
    assert!(!format!("{:?}", log.state).contains("77"));
}
