//! Short ways to write commands.

use std::sync::Arc;

use serde_json::Value;
use weir_model::Key;

use crate::{
    Change, Command, Operation, Outcome, Precondition, Refusal, Secret, State, Target, apply,
};

pub(super) fn key(text: &str) -> Key {
    text.parse().unwrap()
}

pub(super) fn put(target: &str, spec: Value) -> Change {
    Change {
        target: Target::Key(key(target)),
        operation: Operation::Put {
            spec: Arc::new(spec),
            expires_at_ms: None,
        },
        precondition: Precondition::None,
    }
}

pub(super) fn delete(target: &str) -> Change {
    Change {
        target: Target::Key(key(target)),
        operation: Operation::Delete { force: false },
        precondition: Precondition::None,
    }
}

pub(super) fn force_delete(target: &str) -> Change {
    Change {
        operation: Operation::Delete { force: true },
        ..delete(target)
    }
}

pub(super) fn write(changes: Vec<Change>) -> Command {
    Command::Write {
        changes,
        at_ms: 1_700_000_000_000,
        author: "ann".to_owned(),
        message: String::new(),
    }
}

/// A new secret, 32 times `byte`.
pub(super) fn rotate(byte: u8, replaces: Option<u64>) -> Command {
    Command::RotateTickets {
        secret: Secret([byte; 32]),
        replaces,
        at_ms: 1_700_000_000_000,
    }
}

/// A state that commands are applied to, one index after the other.
#[derive(Default)]
pub(super) struct Log {
    pub(super) state: State,
    pub(super) index: u64,
}

impl Log {
    pub(super) fn apply(&mut self, command: Command) -> Outcome {
        self.index += 1;
        apply(&mut self.state, self.index, command)
    }

    /// Applies a write that must succeed.
    pub(super) fn write(&mut self, changes: Vec<Change>) -> Vec<crate::Changed> {
        match self.apply(write(changes)) {
            Outcome::Done { changed, .. } => changed,
            Outcome::Refused { refusal, .. } => panic!("refused: {refusal:?}"),
        }
    }

    /// Applies a write that must be refused, and checks that it changed nothing.
    pub(super) fn refuse(&mut self, changes: Vec<Change>) -> Refusal {
        let before = crate::encode(&self.state);
        match self.apply(write(changes)) {
            Outcome::Done { .. } => panic!("expected a refusal"),
            Outcome::Refused { revision, refusal } => {
                assert_eq!(revision, self.state.set.revision);
                assert_eq!(crate::encode(&self.state), before);
                refusal
            }
        }
    }

    /// The only problem of a refused write.
    pub(super) fn problem(&mut self, changes: Vec<Change>) -> String {
        match self.refuse(changes) {
            Refusal::Invalid { problems, .. } => {
                assert_eq!(problems.len(), 1, "{problems:?}");
                problems[0].message.clone()
            }
            other => panic!("expected Invalid, got {other:?}"),
        }
    }

    /// The text of a delete that a guard refused.
    pub(super) fn in_use(&mut self, target: &str) -> String {
        match self.refuse(vec![delete(target)]) {
            Refusal::InUse { message, .. } => message,
            other => panic!("expected InUse, got {other:?}"),
        }
    }
}
