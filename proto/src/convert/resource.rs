//! The resource envelope.

use std::sync::Arc;

use weir_model::{Key, Kind, Problem, Resource};

use super::Error;
use crate::resource as wire;

impl From<&Key> for wire::Key {
    fn from(key: &Key) -> Self {
        Self {
            kind: key.kind.name().to_owned(),
            id: key.id.to_string(),
        }
    }
}

impl TryFrom<wire::Key> for Key {
    type Error = Error;

    fn try_from(key: wire::Key) -> Result<Self, Error> {
        let kind = kind(&key.kind)?;
        Ok(Key::new(kind, key.id))
    }
}

/// Reads the name of a kind.
///
/// # Errors
/// When there is no such kind.
pub fn kind(name: &str) -> Result<Kind, Error> {
    Kind::parse(name).ok_or_else(|| Error::Invalid {
        field: "kind",
        expected: "the name of a resource kind such as route",
        got: name.to_owned(),
    })
}

impl From<&Resource> for wire::Resource {
    fn from(resource: &Resource) -> Self {
        Self {
            key: Some((&resource.key).into()),
            // A JSON value always serialises.
            spec: serde_json::to_vec(&resource.spec).unwrap_or_default(),
            created: resource.created,
            modified: resource.modified,
            create_time: resource.create_time,
            update_time: resource.update_time,
            expires_at_ms: resource.expires_at_ms.unwrap_or(0),
        }
    }
}

impl TryFrom<wire::Resource> for Resource {
    type Error = Error;

    fn try_from(resource: wire::Resource) -> Result<Self, Error> {
        let spec = serde_json::from_slice(&resource.spec).map_err(|error| Error::Invalid {
            field: "spec",
            expected: "a JSON document",
            got: error.to_string(),
        })?;
        Ok(Self {
            key: resource.key.ok_or(Error::Missing("key"))?.try_into()?,
            spec: Arc::new(spec),
            created: resource.created,
            modified: resource.modified,
            create_time: resource.create_time,
            update_time: resource.update_time,
            expires_at_ms: (resource.expires_at_ms != 0).then_some(resource.expires_at_ms),
        })
    }
}

/// A problem of one resource, for the wire.
#[must_use]
pub fn problem(key: Option<&Key>, problem: &Problem) -> wire::Problem {
    wire::Problem {
        key: key.map(Into::into),
        path: problem.path.clone(),
        message: problem.message.clone(),
    }
}
