//! `$secret://MANAGER/ID/PATH/KEY`. Pure.

use crate::Error;

const SCHEME: &str = "$secret://";

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    /// `MANAGER/ID`, as in the key of a secret object.
    pub(super) manager: String,
    /// What the manager calls the group of values.
    pub(super) path: String,
    /// Which of them.
    pub(super) key: String,
}

/// Whether a text is a reference to a secret manager.
pub(crate) fn is_reference(text: &str) -> bool {
    let head = text.get(..SCHEME.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(SCHEME))
}

impl Reference {
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let wrong = || {
            let message = format!("expected $secret://MANAGER/ID/PATH/KEY, got {text:?}");
            Error::config(message)
        };
        let inside = text.get(SCHEME.len()..).ok_or_else(wrong)?;
        let (kind, rest) = inside.split_once('/').ok_or_else(wrong)?;
        let (id, rest) = rest.split_once('/').ok_or_else(wrong)?;
        let (path, key) = rest.rsplit_once('/').ok_or_else(wrong)?;
        if [kind, id, path, key].iter().any(|part| part.is_empty()) {
            return Err(wrong());
        }
        Ok(Self {
            manager: format!("{kind}/{id}"),
            path: path.to_owned(),
            key: key.to_owned(),
        })
    }
}
