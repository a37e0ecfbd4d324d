//! The requests of the corpus, as they are written: one YAML file a class.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::text;

/// A class of attacks.
pub struct Class {
    /// Name of the file.
    pub name: String,
    /// Its cases.
    pub cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File<T> {
    /// What the class is, and where the rules are.
    #[serde(rename = "about")]
    _about: String,
    cases: Vec<T>,
}

/// Reads the cases of one file.
///
/// # Panics
/// When the file is not as the format wants it.
pub fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Vec<T> {
    let text =
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file: File<T> =
        serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    file.cases
}

/// Every class of a folder.
///
/// # Panics
/// When a file is not as the format wants it, or has an id twice.
pub fn load(folder: &Path) -> Vec<Class> {
    let entries = std::fs::read_dir(folder).expect("the corpus");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy();
            let cases: Vec<Written> = read(path);
            Class {
                name: name.into_owned(),
                cases: cases.into_iter().map(Case::from).collect(),
            }
        })
        .collect()
}

/// A case as it is written. What says nothing of its outcome must be refused with 400.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// Unique in its class; says what is wrong.
    id: String,
    /// What the client sends, in one go.
    send: String,
    /// Method of the first request, for the client: HEAD or what else.
    #[serde(default = "get")]
    asked: String,
    /// Refused with one of these statuses, and closed.
    refused: Option<Vec<u16>>,
    /// Requests that reach the node: `METHOD TARGET BODY`. With `refused`, those before it.
    node: Option<Vec<String>>,
    /// What may reach the node instead, which is safe but not strict.
    or: Option<Vec<String>>,
    /// It may be refused as well, and that is no less strict.
    #[serde(default)]
    or_refused: bool,
    /// Answered by the gateway with one of these statuses; nothing reaches the node.
    answered: Option<Vec<u16>>,
    /// Statuses of the answers; 200 for each request at the node when absent.
    statuses: Option<Vec<u16>>,
    /// The client stops in the middle: no whole request may reach the node.
    #[serde(default)]
    unfinished: bool,
    /// Fields of the last request at the node; null is absent.
    #[serde(default)]
    sees: BTreeMap<String, Value>,
    /// Fields that it must not have with just this value.
    #[serde(default)]
    lacks: BTreeMap<String, String>,
    /// Fields that it must have.
    #[serde(default)]
    has: Vec<String>,
    /// Its trailers; null is absent.
    #[serde(default)]
    trailers: BTreeMap<String, Value>,
}

fn get() -> String {
    "GET".to_owned()
}

/// One hostile request, or several on one connection.
pub struct Case {
    /// What is wrong with it.
    pub id: String,
    /// What the client sends.
    pub send: Vec<u8>,
    /// Method of the first request.
    pub asked: String,
    /// What must come of it.
    pub want: Want,
    /// What else is safe, though less strict.
    pub or: Option<Vec<Line>>,
    /// Whether a refusal is as good.
    pub or_refused: bool,
    /// Fields of the last request at the node.
    pub sees: Vec<(String, Option<String>)>,
    /// Fields that it must not have with this value.
    pub lacks: BTreeMap<String, String>,
    /// Fields that it must have.
    pub has: Vec<String>,
    /// Its trailers.
    pub trailers: Vec<(String, Option<String>)>,
}

/// What must come of a case.
pub enum Want {
    /// These requests reach the node; then one of these statuses, and the end of the connection.
    Refused(Vec<Line>, Vec<u16>),
    /// These requests reach the node, and these statuses the client.
    Forwarded(Vec<Line>, Vec<u16>),
    /// The gateway answers with one of these.
    Answered(Vec<u16>),
    /// The client has left; nothing whole reaches the node.
    Unfinished,
}

/// One request as the node must see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Method.
    pub method: String,
    /// Target, byte by byte.
    pub target: String,
    /// Body.
    pub body: Vec<u8>,
}

impl Line {
    /// From `METHOD TARGET BODY`.
    fn parse(text: &str) -> Self {
        let mut words = text.splitn(3, ' ');
        let mut word = || words.next().unwrap_or_default().to_owned();
        Self {
            method: word(),
            target: text::expand(&word()),
            body: text::bytes(&word()),
        }
    }
}

fn lines(texts: &[String]) -> Vec<Line> {
    texts.iter().map(|text| Line::parse(text)).collect()
}

fn wanted(fields: BTreeMap<String, Value>) -> Vec<(String, Option<String>)> {
    fields
        .into_iter()
        .map(|(name, value)| match value {
            Value::Null => (name, None),
            Value::String(text) => (name, Some(text)),
            other => (name, Some(other.to_string())),
        })
        .collect()
}

impl From<Written> for Case {
    fn from(written: Written) -> Self {
        let node = lines(&written.node.clone().unwrap_or_default());
        let all_good = vec![200; node.len()];
        let want = match (written.refused, written.node, written.answered) {
            _ if written.unfinished => Want::Unfinished,
            (Some(statuses), _, _) => Want::Refused(node, statuses),
            (None, Some(_), _) => Want::Forwarded(node, written.statuses.unwrap_or(all_good)),
            (None, None, Some(statuses)) => Want::Answered(statuses),
            (None, None, None) => Want::Refused(node, vec![400]),
        };
        Self {
            id: written.id,
            send: text::bytes(&written.send),
            asked: written.asked,
            want,
            or: written.or.as_deref().map(lines),
            or_refused: written.or_refused,
            sees: wanted(written.sees),
            lacks: written.lacks,
            has: written.has,
            trailers: wanted(written.trailers),
        }
    }
}
