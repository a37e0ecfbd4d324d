//! Refusals and failures as gRPC statuses: the one place where they are classified.

use prost::Message;
use tonic::{Code, Status};
use weir_model::{Key, Problem, Revision};
use weir_proto::control::Refusal;
use weir_proto::convert::control::refused;
use weir_proto::convert::resource::problem as to_wire;
use weir_raft::{MembershipError, ReadError, WriteError};

use crate::write;

/// Bytes of problems that a status carries. It travels in trailers, which clients bound (16 KiB is
/// common) and which hold it in base64 beside the message.
const MAX_DETAILS: usize = 8 << 10;
/// Bytes of the readable message.
const MAX_MESSAGE: usize = 1 << 10;

/// A problem of one document, or of the request when there is no key.
pub(super) type Wrong = (Option<Key>, Problem);

/// Documents that must be changed.
pub(super) fn invalid(problems: &[Wrong], revision: Revision) -> Status {
    with_problems(Code::InvalidArgument, problems, revision)
}

/// A resource that somebody else has changed.
pub(super) fn conflict(problems: &[Wrong], revision: Revision) -> Status {
    with_problems(Code::Aborted, problems, revision)
}

/// What was asked for does not exist.
pub(super) fn not_found(key: &Key, revision: Revision) -> Status {
    let problem = Problem::new("", "does not exist");
    with_problems(Code::NotFound, &[(Some(key.clone()), problem)], revision)
}

/// What a refused or failed write means.
pub(super) fn of_write(error: write::Error) -> Status {
    let one = |code, key, message: String, revision| {
        with_problems(code, &[(Some(key), Problem::new("", message))], revision)
    };
    match error {
        write::Error::Invalid(refused) => {
            let problems: Vec<_> = refused
                .into_iter()
                .flat_map(|refused| {
                    let key = refused.key;
                    refused
                        .problems
                        .into_iter()
                        .map(move |problem| (key.clone(), problem))
                })
                .collect();
            invalid(&problems, 0)
        }
        write::Error::Precondition {
            revision,
            key,
            modified,
        } => {
            let message = match modified {
                Some(modified) => format!("was changed at revision {modified}"),
                None => "does not exist".to_owned(),
            };
            one(Code::Aborted, key, message, revision)
        }
        write::Error::NotFound { revision, key } => not_found(&key, revision),
        write::Error::MissingParent {
            revision,
            key,
            parent,
        } => one(
            Code::NotFound,
            key,
            format!("belongs to {parent}, which does not exist"),
            revision,
        ),
        write::Error::InUse {
            revision,
            key,
            message,
        } => one(Code::FailedPrecondition, key, message, revision),
        // Deadline exceeded is the code that says: may have happened all the same.
        write::Error::Write(error @ WriteError::Unknown(_)) => {
            Status::deadline_exceeded(error.to_string())
        }
        write::Error::Write(error @ WriteError::TooLarge { .. }) => {
            Status::invalid_argument(error.to_string())
        }
        write::Error::Write(error @ WriteError::Storage(_)) => {
            Status::resource_exhausted(error.to_string())
        }
        write::Error::Write(error) => Status::unavailable(error.to_string()),
        write::Error::Read(error) => of_read(&error),
    }
}

/// A read that nobody confirmed.
pub(super) fn of_read(error: &ReadError) -> Status {
    Status::unavailable(error.to_string())
}

/// A change of membership that was not made.
pub(super) fn of_membership(error: &MembershipError) -> Status {
    match error {
        MembershipError::NotAMember(_) => Status::not_found(error.to_string()),
        MembershipError::Unsafe(_) => Status::failed_precondition(error.to_string()),
        _ => Status::unavailable(error.to_string()),
    }
}

fn with_problems(code: Code, problems: &[Wrong], current_revision: Revision) -> Status {
    let mut refusal = Refusal {
        problems: Vec::new(),
        current_revision,
    };
    let mut lines = Vec::new();
    let mut bytes = 0;
    for (position, (key, problem)) in problems.iter().enumerate() {
        let wire = to_wire(key.as_ref(), &shortened(problem));
        bytes += wire.encoded_len();
        if bytes > MAX_DETAILS {
            let more = format!("and {} more problems", problems.len() - position);
            refusal
                .problems
                .push(to_wire(None, &Problem::new("", more.clone())));
            lines.push(more);
            break;
        }
        lines.push(match key {
            Some(key) => format!("{key}: {problem}"),
            None => problem.to_string(),
        });
        refusal.problems.push(wire);
    }
    refused(code, cut(&lines.join("; "), MAX_MESSAGE), &refusal)
}

/// A problem that fits beside others.
fn shortened(problem: &Problem) -> Problem {
    Problem::new(
        cut(&problem.path, MAX_MESSAGE),
        cut(&problem.message, 2 * MAX_MESSAGE),
    )
}

/// The first bytes of a text, whole characters.
fn cut(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let end = (0..=max)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    format!("{}…", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use weir_model::Kind;
    use weir_proto::convert::control::refusal;

    use super::*;

    #[test]
    fn problems_travel_with_key_and_path() {
        let key = Key::new(Kind::Route, "1");
        let status = invalid(&[(Some(key), Problem::new("uri", "is bad"))], 7);
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.message(), "routes/1: uri: is bad");
        let refusal = refusal(&status).unwrap();
        assert_eq!(refusal.current_revision, 7);
        assert_eq!(refusal.problems[0].path, "uri");
    }

    #[test]
    fn what_would_not_fit_the_trailers_is_counted() {
        let key = Key::new(Kind::Route, "1");
        let many: Vec<_> = (0..500)
            .map(|_| (Some(key.clone()), Problem::new("uri", "é".repeat(3000))))
            .collect();
        let status = invalid(&many, 0);
        assert!(
            status.details().len() < 12 << 10,
            "{}",
            status.details().len()
        );
        assert!(status.message().len() < 2 << 10);
        let refusal = refusal(&status).unwrap();
        let told = refusal.problems.len() - 1;
        let last = refusal.problems.last().unwrap();
        assert_eq!(last.message, format!("and {} more problems", 500 - told));
    }

    #[test]
    fn each_class_of_failure_has_its_code() {
        let key = Key::new(Kind::Upstream, "1");
        let code = |error| of_write(error).code();
        let in_use = write::Error::InUse {
            revision: 1,
            key: key.clone(),
            message: "used".to_owned(),
        };
        assert_eq!(code(in_use), Code::FailedPrecondition);
        let stale = write::Error::Precondition {
            revision: 1,
            key: key.clone(),
            modified: Some(1),
        };
        assert_eq!(code(stale), Code::Aborted);
        let absent = write::Error::NotFound { revision: 1, key };
        assert_eq!(code(absent), Code::NotFound);
        let down = write::Error::Write(WriteError::Unavailable {
            waited_ms: 1,
            reason: "no leader".to_owned(),
        });
        assert_eq!(code(down), Code::Unavailable);
        let lost = write::Error::Write(WriteError::Unknown("lost".to_owned()));
        assert_eq!(code(lost), Code::DeadlineExceeded);
        assert_eq!(
            of_membership(&MembershipError::NotAMember(3)).code(),
            Code::NotFound
        );
    }
}
