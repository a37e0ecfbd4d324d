//! The one place for writing, used by REST and gRPC alike: validate, make a command, commit it,
//! say what came of it.

mod certificates;
mod group;
mod limits;
mod proto;
#[cfg(test)]
mod tests;
mod zones;

use std::sync::Arc;

use serde_json::Value;
use weir_model::ssl::Ssl;
use weir_model::{Key, Kind, PluginCatalog, Problem, Revision, Validation};
use weir_raft::{ReadError, WriteError};
use weir_store::{Change, Changed, Command, Operation, Outcome, Precondition, Refusal, Target};

use crate::{Shared, aside};

pub(crate) use limits::MALFORMED_ID;

/// One intended change.
#[derive(Debug, Clone)]
pub(crate) struct Intent {
    /// What to change; [`Target::New`] asks for a new id.
    pub(crate) target: Target,
    /// What to do with it.
    pub(crate) action: Action,
    /// What must hold before.
    pub(crate) precondition: Precondition,
}

/// What to do with a resource.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// Create or replace.
    Put {
        /// The document; it is validated here.
        spec: Value,
        /// Milliseconds since the epoch after which it disappears.
        expires_at_ms: Option<u64>,
    },
    /// Remove; `force` also when it is in use.
    Delete {
        /// Skip the in-use guard.
        force: bool,
    },
}

/// Many changes as one revision, or none.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The changes, in order. A key may appear once.
    pub(crate) intents: Vec<Intent>,
    /// Accept fields that nothing reads (as a warning) where APISIX ignores them; refused otherwise.
    pub(crate) allow_unknown: bool,
    /// Check everything, write nothing.
    pub(crate) dry_run: bool,
    /// Who writes.
    pub(crate) author: String,
    /// Why; may be empty.
    pub(crate) message: String,
    /// Milliseconds since the epoch.
    pub(crate) now_ms: u64,
}

/// A write that was done, or of a dry run: that would be.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    /// Revision of the state with the changes; of the state that was asked for a dry run.
    pub(crate) revision: Revision,
    /// One entry per intent, in order.
    pub(crate) changed: Vec<Changed>,
    /// Ignored fields, settings that agents do not act on yet, certificates that expire soon.
    pub(crate) warnings: Vec<Warning>,
}

/// Something that was accepted but has no effect, yet or before long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Warning {
    /// The resource; `None` while it has no id yet.
    pub(crate) key: Option<Key>,
    /// Where, and what about it.
    pub(crate) problem: Problem,
}

/// A problem of one resource of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Position of the intent.
    pub(crate) change: usize,
    /// The resource; `None` while it has no id yet.
    pub(crate) key: Option<Key>,
    /// What is wrong. At least one.
    pub(crate) problems: Vec<Problem>,
}

/// Why nothing was written, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The documents must be changed. In the order of the intents.
    #[error("{} resources are not valid", .0.len())]
    Invalid(Vec<Refused>),
    /// A precondition did not hold: read again.
    #[error("{key} does not have the expected revision")]
    Precondition {
        /// Revision of the state that refused.
        revision: Revision,
        /// The resource.
        key: Key,
        /// Revision of its last change; `None` when it does not exist.
        modified: Option<Revision>,
    },
    /// A delete of what is not there.
    #[error("{key} does not exist")]
    NotFound {
        /// Revision of the state that refused.
        revision: Revision,
        /// The resource.
        key: Key,
    },
    /// A put of what belongs to another resource that does not exist.
    #[error("{} not found", .parent.kind)]
    MissingParent {
        /// Revision of the state that refused.
        revision: Revision,
        /// The resource.
        key: Key,
        /// What it belongs to.
        parent: Key,
    },
    /// A delete of what others use; the text is APISIX's.
    #[error("{message}")]
    InUse {
        /// Revision of the state that refused.
        revision: Revision,
        /// The resource.
        key: Key,
        /// `can not delete this upstream, route [1] is still using it now`.
        message: String,
    },
    /// Not written, or not known to be.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A dry run could not see the newest state.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Validates and commits `request`.
///
/// Dropping the future does not undo a write that was proposed.
///
/// # Errors
/// See [`Error`].
pub(crate) async fn write(shared: &Shared, request: Request) -> Result<Written, Error> {
    let dry_run = request.dry_run;
    let (catalog, state) = (shared.catalog, shared.raft.stale());
    let zones = shared.config.cache_zones.clone();
    let (command, warnings) = aside::run(request.intents.len(), move || {
        let (command, warnings) = prepare(&catalog, request)?;
        group::check(&state, &command)?;
        zones::check(zones.as_deref(), &command)?;
        Ok::<_, Error>((command, warnings))
    })
    .await
    .unwrap_or(Err(Error::Write(WriteError::Shutdown)))?;
    let outcome = if dry_run {
        let mut state = weir_store::State::clone(&*shared.raft.read().await?);
        let next = state.set.revision + 1;
        weir_store::apply(&mut state, next, command)
    } else {
        shared.raft.write(command).await?
    };
    done(outcome, warnings)
}

/// The pure half of [`write`]: validation, and the command.
pub(crate) fn prepare(
    catalog: &dyn PluginCatalog,
    request: Request,
) -> Result<(Command, Vec<Warning>), Error> {
    let mut warnings = Vec::new();
    let mut refused = Vec::new();
    let mut changes = Vec::new();
    for (position, intent) in request.intents.into_iter().enumerate() {
        let operation = match intent.action {
            Action::Delete { force } => Operation::Delete { force },
            Action::Put {
                spec,
                expires_at_ms,
            } => {
                let (key, as_if) = key_of(&intent.target);
                let mut validation = validate(catalog, &as_if, &spec);
                if as_if.kind == Kind::Ssl
                    && validation.problems.is_empty()
                    && let Ok(ssl) = Ssl::parse(&spec)
                {
                    let expiring = certificates::expiring(&ssl, request.now_ms);
                    validation.pending.extend(expiring);
                }
                let problems = sort(
                    key.as_ref(),
                    validation,
                    request.allow_unknown,
                    &mut warnings,
                );
                if !problems.is_empty() {
                    refused.push(Refused {
                        change: position,
                        key,
                        problems,
                    });
                }
                Operation::Put {
                    spec: Arc::new(spec),
                    expires_at_ms,
                }
            }
        };
        changes.push(Change {
            target: intent.target,
            operation,
            precondition: intent.precondition,
        });
    }
    if !refused.is_empty() {
        return Err(Error::Invalid(refused));
    }
    let command = Command::Write {
        changes,
        at_ms: request.now_ms,
        author: request.author,
        message: request.message,
    };
    Ok((command, warnings))
}

/// Everything that is to be said about one document: limits, the model, and what only the control
/// plane can compile.
pub(crate) fn validate(catalog: &dyn PluginCatalog, key: &Key, spec: &Value) -> Validation {
    if let Some(problem) = limits::too_deep(spec) {
        return Validation {
            problems: vec![problem],
            ..Validation::default()
        };
    }
    let mut validation = weir_model::validate(key, spec, catalog);
    if validation.problems.is_empty() {
        validation.problems.extend(limits::malformed(key));
    }
    if key.kind == Kind::Proto
        && validation.problems.is_empty()
        && let Err(problem) = proto::check(spec)
    {
        validation.problems.push(problem);
    }
    if key.kind == Kind::Ssl
        && validation.problems.is_empty()
        && let Err(problem) = Ssl::parse(spec).and_then(|ssl| weir_proxy::tls::check(&ssl))
    {
        let message = format!("invalid configuration: {problem}");
        validation
            .problems
            .push(Problem::new(problem.path, message));
    }
    validation
}

/// The key under which a document is checked; one without id yet is checked as if it had one.
fn key_of(target: &Target) -> (Option<Key>, Key) {
    match target {
        Target::Key(key) => (Some(key.clone()), key.clone()),
        // The form that the state machine gives.
        Target::New(kind) => (None, Key::new(*kind, "00000000000000000001")),
    }
}

/// Divides what validation found into refusals (returned) and warnings.
fn sort(
    key: Option<&Key>,
    validation: Validation,
    allow_unknown: bool,
    warnings: &mut Vec<Warning>,
) -> Vec<Problem> {
    let mut problems = validation.problems;
    let unknown = validation.unknown.into_iter().map(|field| {
        let message = match &field.nearest {
            Some(nearest) => format!("unknown field, ignored; the nearest known name is {nearest}"),
            None => "unknown field, ignored".to_owned(),
        };
        Problem::new(field.path, message)
    });
    let warn = |problem| Warning {
        key: key.cloned(),
        problem,
    };
    if allow_unknown {
        warnings.extend(unknown.map(warn));
    } else {
        problems.extend(unknown.map(|problem| Problem {
            message: problem.message.replacen(", ignored", "", 1),
            ..problem
        }));
    }
    warnings.extend(validation.pending.into_iter().map(warn));
    problems
}

/// What the state machine's answer means.
fn done(outcome: Outcome, warnings: Vec<Warning>) -> Result<Written, Error> {
    let (revision, refusal) = match outcome {
        Outcome::Done { revision, changed } => {
            return Ok(Written {
                revision,
                changed,
                warnings,
            });
        }
        Outcome::Refused { revision, refusal } => (revision, refusal),
    };
    Err(match refusal {
        Refusal::Precondition { key, modified, .. } => Error::Precondition {
            revision,
            key,
            modified,
        },
        Refusal::NotFound { key, .. } => Error::NotFound { revision, key },
        Refusal::MissingParent { key, parent, .. } => Error::MissingParent {
            revision,
            key,
            parent,
        },
        Refusal::InUse { key, message, .. } => Error::InUse {
            revision,
            key,
            message,
        },
        Refusal::Invalid {
            change,
            key,
            problems,
        } => Error::Invalid(vec![Refused {
            change,
            key: Some(key),
            problems,
        }]),
    })
}
