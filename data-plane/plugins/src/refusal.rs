//! Statuses and texts that operators choose for refusals.

use http::StatusCode;

/// A status from a configuration.
///
/// # Errors
/// It is none: larger than 999.
pub(crate) fn status(field: &str, code: u16) -> Result<StatusCode, String> {
    StatusCode::from_u16(code).map_err(|_| format!("{field} must be a status, got {code}"))
}

/// One of two lists: only these pass, or these do not.
pub(crate) enum Lists<T> {
    /// Only what is listed passes.
    Allow(T),
    /// What is listed is refused.
    Deny(T),
}

impl<T> Lists<T> {
    /// Compiles the list that is there.
    ///
    /// # Errors
    /// Neither or both are there, which schemas exclude, or what `compile` says.
    pub(crate) fn of(
        allow: Option<Vec<String>>,
        deny: Option<Vec<String>>,
        compile: impl Fn(&[String]) -> Result<T, String>,
    ) -> Result<Self, String> {
        match (allow, deny) {
            (Some(list), None) => Ok(Self::Allow(compile(&list)?)),
            (None, Some(list)) => Ok(Self::Deny(compile(&list)?)),
            _ => Err("expected one list, of what is allowed or of what is refused".into()),
        }
    }

    /// Whether something passes of which `listed` tells if a list has it.
    pub(crate) fn allows(&self, listed: impl Fn(&T) -> bool) -> bool {
        match self {
            Self::Allow(list) => listed(list),
            Self::Deny(list) => !listed(list),
        }
    }
}
