//! Conversions between wire and domain types: the only place that sees both.

pub mod control;
pub mod endpoint;
pub mod health;
pub mod resource;

/// A message that does not say what it must.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A field that must be set is not.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A field has a value that this release does not know.
    #[error("{field}: expected {expected}, got {got:?}")]
    Invalid {
        /// Name of the field.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What came.
        got: String,
    },
}
