//! What a command can end with, and how errors become exit codes.

use std::process::ExitCode;

use tonic::Status;
use weir_proto::convert::control::refusal;

use crate::documents;

/// The exit codes of all commands; [`crate::EXIT_CODES`] is the operator's table of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// Done.
    Done = 0,
    /// A document or request is not valid; for `diff`, something differs.
    Refused = 1,
    /// Wrong usage of the command line.
    Usage = 2,
    /// What was asked for does not exist.
    NotFound = 3,
    /// A precondition did not hold.
    Conflict = 4,
    /// Nobody answered in time.
    Unavailable = 5,
    /// The key does not allow it.
    NotAllowed = 6,
    /// An agent ended and cut off open requests.
    CutOff = 7,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        ExitCode::from(code as u8)
    }
}

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The arguments do not fit together.
    #[error("{0}")]
    Usage(String),
    /// Input documents cannot be used; one line each.
    #[error("{}", documents::lines(.0))]
    Documents(Vec<documents::Fault>),
    /// A control node refused the input; one line each.
    #[error("{}", documents::lines(.faults))]
    Refused {
        /// How the command ends.
        code: Code,
        /// What was wrong, and where in the input.
        faults: Vec<documents::Fault>,
    },
    /// A file or stream could not be read or written.
    #[error("{what}: {source}")]
    Io {
        /// The file, or what was being done.
        what: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No control node could be reached.
    #[error("{0}")]
    Unreachable(String),
    /// A control node answered with an error.
    #[error("{}", answer(.0))]
    Answer(Box<Status>),
    /// An answer makes no sense to this release.
    #[error("the control node's answer is not understood: {0}")]
    Protocol(#[from] weir_proto::convert::Error),
    /// The operator said no, or what was asked is not safe.
    #[error("{0}")]
    Declined(String),
    /// What was asked for does not exist.
    #[error("{0}")]
    NotFound(String),
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Failure::Answer(Box::new(status))
    }
}

impl Failure {
    /// An I/O error with what was being done.
    pub(crate) fn io(what: impl Into<String>, source: std::io::Error) -> Self {
        Failure::Io {
            what: what.into(),
            source,
        }
    }

    /// The exit code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Failure::Usage(_) => Code::Usage,
            Failure::Documents(_) | Failure::Io { .. } | Failure::Declined(_) => Code::Refused,
            Failure::Unreachable(_) => Code::Unavailable,
            Failure::Protocol(_) => Code::Refused,
            Failure::NotFound(_) => Code::NotFound,
            Failure::Refused { code, .. } => *code,
            Failure::Answer(status) => of_status(status),
        }
    }
}

/// The exit code of an answer.
fn of_status(status: &Status) -> Code {
    use tonic::Code as Grpc;
    match status.code() {
        Grpc::NotFound => Code::NotFound,
        Grpc::Aborted | Grpc::AlreadyExists => Code::Conflict,
        Grpc::Unavailable
        | Grpc::DeadlineExceeded
        | Grpc::Cancelled
        | Grpc::ResourceExhausted
        | Grpc::Unknown => Code::Unavailable,
        Grpc::Unauthenticated | Grpc::PermissionDenied => Code::NotAllowed,
        _ => Code::Refused,
    }
}

/// The text of an answer: one line for each problem when it carries problems.
fn answer(status: &Status) -> String {
    let Some(refusal) = refusal(status).filter(|refusal| !refusal.problems.is_empty()) else {
        return status.message().to_owned();
    };
    let lines: Vec<_> = refusal.problems.iter().map(problem).collect();
    lines.join("\n")
}

/// One problem as a line: `routes/1: nodes[0].port: text`.
pub(crate) fn problem(problem: &weir_proto::resource::Problem) -> String {
    let key = problem
        .key
        .clone()
        .and_then(|key| weir_model::Key::try_from(key).ok())
        .map(|key| format!("{key}: "));
    let path = match problem.path.as_str() {
        "" => String::new(),
        path => format!("{path}: "),
    };
    format!("{}{path}{}", key.unwrap_or_default(), problem.message)
}

#[cfg(test)]
mod tests {
    use tonic::Code as Grpc;

    use super::*;

    #[test]
    fn every_class_of_answer_has_its_code() {
        let code = |grpc| Failure::from(Status::new(grpc, "")).code();
        assert_eq!(code(Grpc::InvalidArgument), Code::Refused);
        assert_eq!(code(Grpc::NotFound), Code::NotFound);
        assert_eq!(code(Grpc::Aborted), Code::Conflict);
        assert_eq!(code(Grpc::FailedPrecondition), Code::Refused);
        assert_eq!(code(Grpc::Unavailable), Code::Unavailable);
        assert_eq!(code(Grpc::DeadlineExceeded), Code::Unavailable);
        assert_eq!(code(Grpc::Unauthenticated), Code::NotAllowed);
        assert_eq!(code(Grpc::PermissionDenied), Code::NotAllowed);
        assert_eq!(Failure::Usage(String::new()).code(), Code::Usage);
        assert_eq!(
            Failure::Unreachable(String::new()).code(),
            Code::Unavailable
        );
    }

    #[test]
    fn the_table_in_the_help_names_every_code() {
        for code in 0..=6 {
            assert!(
                crate::EXIT_CODES.contains(&format!("\n  {code}  ")),
                "{code}"
            );
        }
    }
}
