//! From files to documents: what kinds of input are understood, and where in them things are.
//!
//! [`parse`] is a pure function from bytes to documents; [`files`] finds and reads the files.
//!
//! Understood are YAML (one or many documents) and JSON (one or many values, or an array), each
//! holding any of:
//! - a document with its fields beside `kind` and `id`,
//! - a document as `{kind, id, spec}`,
//! - an APISIX standalone file: lists under `routes:`, `upstreams:` and so on.

pub mod files;
mod forms;
mod json;
mod node;
mod yaml;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use weir_model::{Key, Kind};

pub(crate) use node::Marks;

/// Largest input that is read.
pub const MAX_BYTES: u64 = 64 << 20;

/// A place in the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Name of the file as the operator gave it, or `stdin`.
    pub file: Arc<str>,
    /// Line, from 1; `None` when it is not known (JSON input).
    pub line: Option<u32>,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

/// One resource as somebody wrote it.
#[derive(Debug, Clone)]
pub struct Document {
    /// Where it starts.
    pub source: Source,
    /// Which resource it describes.
    pub key: Key,
    /// The document itself; its `id` is in the key only.
    pub spec: Arc<Value>,
    marks: Marks,
}

impl Document {
    /// Where the field at `path` stands, or the nearest thing around it.
    #[must_use]
    pub fn place(&self, path: &str) -> Source {
        Source {
            file: Arc::clone(&self.source.file),
            line: self.marks.line(&self.spec, path).or(self.source.line),
        }
    }

    /// A fault of the field at `path`.
    #[must_use]
    pub fn fault(&self, path: &str, message: impl Into<String>) -> Fault {
        Fault {
            source: Some(self.place(path)),
            key: Some(self.key.clone()),
            path: path.to_owned(),
            message: message.into(),
        }
    }
}

/// One thing that is wrong with the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where; `None` when it is not about one place in the input.
    pub source: Option<Source>,
    /// Which resource, when that is known.
    pub key: Option<Key>,
    /// Dotted path inside the document; empty for the document as a whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(source) = &self.source {
            write!(f, "{source}: ")?;
        }
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// All faults, one a line.
pub(crate) fn lines(faults: &[Fault]) -> String {
    let lines: Vec<_> = faults.iter().map(Fault::to_string).collect();
    lines.join("\n")
}

/// What the input holds.
#[derive(Debug, Clone, Default)]
pub struct Parsed {
    /// The documents, in the order of the input.
    pub documents: Vec<Document>,
    /// What was left out, and why: for the operator to read.
    pub notes: Vec<String>,
}

/// Reads one file's documents.
///
/// # Errors
/// Every fault of the file: text that is no YAML or JSON, too much of it, and documents that do
/// not say what they are.
pub fn parse(file: &str, bytes: &[u8]) -> Result<Parsed, Vec<Fault>> {
    let file: Arc<str> = Arc::from(file);
    forms::documents(&file, roots(&file, bytes)?)
}

/// The same for a file of registries, which need not say that they are, and a single one not which.
///
/// # Errors
/// As [`parse`].
pub fn parse_registries(file: &str, bytes: &[u8]) -> Result<Parsed, Vec<Fault>> {
    let file: Arc<str> = Arc::from(file);
    let roots = forms::as_registries(roots(&file, bytes)?);
    forms::documents(&file, roots)
}

/// What stands at the top of a file, in YAML or JSON.
fn roots(file: &Arc<str>, bytes: &[u8]) -> Result<Vec<node::Node>, Vec<Fault>> {
    let whole = |message: String| {
        vec![Fault {
            source: Some(Source {
                file: Arc::clone(file),
                line: None,
            }),
            key: None,
            path: String::new(),
            message,
        }]
    };
    if bytes.len() as u64 > MAX_BYTES {
        return Err(whole(format!("larger than {} MiB", MAX_BYTES >> 20)));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| whole(format!("not UTF-8 text: {error}")))?
        .trim_start_matches('\u{feff}');
    Ok(match json::roots(text) {
        Some(Ok(roots)) => roots,
        // Flow style YAML starts like JSON does.
        Some(Err(json)) => match yaml::roots(file, text) {
            Ok(roots) if !file.ends_with(".json") => roots,
            Ok(_) => return Err(whole(format!("not JSON: {json}"))),
            Err(fault) => return Err(vec![fault]),
        },
        None => yaml::roots(file, text).map_err(|fault| vec![fault])?,
    })
}

/// Puts documents of several files together: refuses two of the same resource, and orders them so
/// that what is referred to comes before what refers to it.
///
/// # Errors
/// One fault for each resource that stands more than once.
pub fn gather(mut documents: Vec<Document>) -> Result<Vec<Document>, Vec<Fault>> {
    let mut seen = BTreeMap::<&Key, &Source>::new();
    let mut faults = Vec::new();
    for document in &documents {
        if let Some(first) = seen.get(&document.key) {
            faults.push(document.fault("", format!("given twice, first at {first}")));
        } else {
            seen.insert(&document.key, &document.source);
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    documents.sort_by_key(|document| rank(document.key.kind));
    Ok(documents)
}

/// Position of a kind: referred-to kinds come first.
pub(crate) fn rank(kind: Kind) -> usize {
    Kind::ALL
        .iter()
        .position(|other| *other == kind)
        .unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
