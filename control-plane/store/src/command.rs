//! What can be asked of the state machine, and what it answers. Both travel between nodes and lie
//! in the log: fields are only added, with a default.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use weir_model::{Key, Kind, Problem, Resource, Revision};

use crate::tickets::Secret;

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// First command of a cluster: gives it its name.
    Bootstrap {
        /// Random, made by the node that bootstraps.
        cluster_id: String,
    },
    /// Many changes as one revision, or none.
    Write {
        /// The changes, in order. A key may appear once.
        changes: Vec<Change>,
        /// Milliseconds since the epoch, taken where the write came in.
        at_ms: u64,
        /// Who wrote; empty when unknown.
        #[serde(default)]
        author: String,
        /// Why; may be empty.
        #[serde(default)]
        message: String,
    },
    /// Adds a secret for session tickets, and forgets the oldest one. Changes no resource and no
    /// revision.
    RotateTickets {
        /// Random, made by the node that asks.
        secret: Secret,
        /// Log index of the newest secret that this node knew; nothing is done when there is a newer
        /// one.
        replaces: Option<Revision>,
        /// Milliseconds since the epoch.
        at_ms: u64,
    },
    /// Removes resources whose `expires_at_ms` is not after `at_ms`.
    Expire {
        /// Milliseconds since the epoch.
        at_ms: u64,
    },
}

/// One change of a [`Command::Write`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// What to change.
    pub target: Target,
    /// What to do with it.
    pub operation: Operation,
    /// What must hold before.
    #[serde(default)]
    pub precondition: Precondition,
}

/// The resource that a change is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A named one.
    Key(Key),
    /// A new one; the state machine gives it a 20 digit id, growing (POST of the Admin API).
    New(Kind),
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Creates or replaces.
    Put {
        /// The validated document, without `create_time` and `update_time`.
        spec: Arc<Value>,
        /// Milliseconds since the epoch after which it disappears.
        #[serde(default)]
        expires_at_ms: Option<u64>,
    },
    /// Removes; with a consumer go its credentials.
    Delete {
        /// Also when it is in use.
        force: bool,
    },
}

/// What must hold before a change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precondition {
    /// Nothing.
    #[default]
    None,
    /// The resource does not exist.
    Absent,
    /// The resource exists and was changed last at this revision.
    Modified(Revision),
    /// The resource exists.
    Present,
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Done; `revision` is the one after it (unchanged when nothing changed).
    Done {
        /// Revision of the state that has the changes.
        revision: Revision,
        /// One entry per change, in order (cascaded deletes are not listed).
        changed: Vec<Changed>,
    },
    /// Nothing was changed.
    Refused {
        /// Revision of the state that refused.
        revision: Revision,
        /// Why.
        refusal: Refusal,
    },
}

/// What became of one change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Changed {
    /// The resource; also tells the id that was given to a [`Target::New`].
    pub key: Key,
    /// What happened to it.
    pub effect: Effect,
    /// The resource after the change; `None` after a delete.
    pub resource: Option<Arc<Resource>>,
}

/// What happened to one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It was not there before.
    Created,
    /// It was there before. A put of the same document also counts: its `modified` moves.
    Changed,
    /// It is gone.
    Deleted,
}

/// Why a write was refused. `change` is the position of the change in the command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// A precondition did not hold.
    Precondition {
        /// Position of the change.
        change: usize,
        /// The resource.
        key: Key,
        /// Revision of its last change; `None` when it does not exist.
        modified: Option<Revision>,
    },
    /// A delete of what is not there.
    NotFound {
        /// Position of the change.
        change: usize,
        /// The resource.
        key: Key,
    },
    /// A put of what belongs to another resource that does not exist: a credential without its
    /// consumer (APISIX: 404 `consumer not found`).
    MissingParent {
        /// Position of the change.
        change: usize,
        /// The resource.
        key: Key,
        /// What it belongs to.
        parent: Key,
    },
    /// Documents that do not fit each other: references, duplicate keys, duplicate global plugins.
    /// The texts are APISIX's (objects.md sections 1 and 2).
    Invalid {
        /// Position of the change.
        change: usize,
        /// The resource.
        key: Key,
        /// What is wrong.
        problems: Vec<Problem>,
    },
    /// A delete of what others use.
    InUse {
        /// Position of the change.
        change: usize,
        /// The resource.
        key: Key,
        /// APISIX's text: `can not delete this upstream, route [1] is still using it now`.
        message: String,
    },
}
