//! `_multipart`: a multipart body that a template may change.

use bytes::Bytes;
use weir_plugin_api::body::multipart::{self, boundary};

use super::value::{Fields, Value};

/// Parts that a body may come to have.
const MAX_PARTS: usize = 1000;

/// A multipart body.
#[derive(Debug)]
pub(crate) struct Multipart {
    boundary: String,
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    /// Its header fields, as they came.
    head: String,
    name: Option<String>,
    content: Bytes,
}

impl Multipart {
    /// Reads a body; `None` when it is not what its type says.
    pub(crate) fn read(body: &Bytes, content_type: &str) -> Option<Self> {
        let boundary = boundary(content_type)?;
        let parts = multipart::parts(body, content_type)?;
        let parts = parts.into_iter().map(|part| Part {
            head: part.head.to_owned(),
            name: part.name,
            content: body.slice_ref(part.content),
        });
        Some(Self {
            boundary,
            parts: parts.collect(),
        })
    }

    /// The fields by name; a name that stands several times has a list.
    pub(crate) fn fields(&self) -> Value {
        let mut fields = Fields::new();
        for part in &self.parts {
            let Some(name) = &part.name else { continue };
            let value = Value::text(&part.content);
            match fields.get_mut(name.as_str()) {
                None => _ = fields.insert(name.as_str().into(), value),
                Some(Value::List(values)) => std::sync::Arc::make_mut(values).push(value),
                Some(first) => *first = Value::list(vec![std::mem::take(first), value]),
            }
        }
        Value::object(fields)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Bytes> {
        let mut parts = self.parts.iter();
        let found = parts.find(|part| part.name.as_deref() == Some(name))?;
        Some(&found.content)
    }

    pub(super) fn delete(&mut self, name: &str) {
        self.parts.retain(|part| part.name.as_deref() != Some(name));
    }

    /// Changes the field of this name, or adds one.
    ///
    /// # Errors
    /// There are too many, or the name cannot stand in a header.
    pub(super) fn set(&mut self, name: &str, content: Bytes) -> Result<(), String> {
        if name.contains(['"', '\r', '\n']) {
            return Err(format!("{name:?} is no name of a field"));
        }
        let part = Part {
            head: format!("Content-Disposition: form-data; name=\"{name}\""),
            name: Some(name.to_owned()),
            content,
        };
        let mut parts = self.parts.iter_mut();
        if let Some(known) = parts.find(|known| known.name.as_deref() == Some(name)) {
            *known = part;
            return Ok(());
        }
        if self.parts.len() >= MAX_PARTS {
            return Err(format!("more than {MAX_PARTS} parts"));
        }
        self.parts.push(part);
        Ok(())
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for part in &self.parts {
            for piece in ["--", &self.boundary, "\r\n", &part.head] {
                out.extend_from_slice(piece.as_bytes());
            }
            out.extend_from_slice(if part.head.is_empty() {
                b"\r\n"
            } else {
                b"\r\n\r\n"
            });
            out.extend_from_slice(&part.content);
            out.extend_from_slice(b"\r\n");
        }
        for piece in ["--", &self.boundary, "--\r\n"] {
            out.extend_from_slice(piece.as_bytes());
        }
        out
    }
}
