//! Reads a YAML document field by field, remembers where it is, and collects what is wrong.

use std::str::FromStr;

use serde_json::{Map, Value};

/// One mapping of the document. Each field is taken once; [`Section::finish`] refuses the rest.
pub(crate) struct Section<'a> {
    path: String,
    fields: Map<String, Value>,
    known: Vec<&'static str>,
    problems: &'a mut Vec<String>,
}

impl<'a> Section<'a> {
    /// The document as a whole. An empty one has no fields.
    pub(crate) fn root(text: &str, problems: &'a mut Vec<String>) -> Self {
        let fields = match parse(text) {
            Ok(fields) => fields,
            Err(problem) => {
                problems.push(problem);
                Map::new()
            }
        };
        Self {
            path: String::new(),
            fields,
            known: Vec::new(),
            problems,
        }
    }

    /// A mapping inside this one; empty when it is not there.
    pub(crate) fn section(&mut self, name: &'static str) -> Section<'_> {
        let path = self.path_of(name);
        let fields = match self.take(name) {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(fields)) => fields,
            Some(other) => {
                self.refuse(name, "a mapping", &other);
                Map::new()
            }
        };
        Section {
            path,
            fields,
            known: Vec::new(),
            problems: &mut *self.problems,
        }
    }

    /// A text; numbers count as texts, since YAML does not quote them.
    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        match self.take(name)? {
            Value::String(text) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            other => {
                self.refuse(name, "a string", &other);
                None
            }
        }
    }

    /// A text; what YAML takes for a switch that is off is the text `off`.
    pub(crate) fn text_or_off(&mut self, name: &'static str) -> Option<String> {
        match self.fields.get(name) {
            Some(Value::Bool(false)) => self.take(name).map(|_| "off".to_owned()),
            _ => self.text(name),
        }
    }

    /// A text that is read as `T`.
    pub(crate) fn parsed<T: FromStr>(&mut self, name: &'static str, expected: &str) -> Option<T> {
        let text = self.text(name)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.refuse(name, expected, &Value::String(text));
        }
        parsed
    }

    /// A switch; APISIX also writes `on` and `off` for those of nginx.
    pub(crate) fn switch(&mut self, name: &'static str) -> Option<bool> {
        match self.take(name)? {
            Value::Bool(on) => Some(on),
            Value::String(text) if text == "on" => Some(true),
            Value::String(text) if text == "off" => Some(false),
            other => {
                self.refuse(name, "true or false", &other);
                None
            }
        }
    }

    /// A list of texts; one text alone is a list of what its commas separate.
    pub(crate) fn texts(&mut self, name: &'static str) -> Option<Vec<String>> {
        match self.take(name)? {
            Value::String(text) => Some(
                text.split(',')
                    .map(|part| part.trim().to_owned())
                    .filter(|part| !part.is_empty())
                    .collect(),
            ),
            Value::Array(items) => {
                let mut texts = Vec::with_capacity(items.len());
                for (index, item) in items.into_iter().enumerate() {
                    match item {
                        Value::String(text) => texts.push(text),
                        other => {
                            let path = format!("{}[{index}]", self.path_of(name));
                            self.problems
                                .push(format!("{path}: expected a string, got {other}"));
                        }
                    }
                }
                Some(texts)
            }
            other => {
                self.refuse(name, "a list of strings", &other);
                None
            }
        }
    }

    /// A list of anything, for who reads the items; none when it is not there.
    pub(crate) fn items(&mut self, name: &'static str) -> Vec<Value> {
        match self.take(name) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) => items,
            Some(other) => {
                self.refuse(name, "a list", &other);
                Vec::new()
            }
        }
    }

    /// Records a problem of a field of this section.
    pub(crate) fn refuse(&mut self, name: &str, expected: &str, got: &Value) {
        let path = self.path_of(name);
        self.problems
            .push(format!("{path}: expected {expected}, got {got}"));
    }

    /// Refuses every field that nobody asked for.
    pub(crate) fn finish(self) {
        for name in self.fields.keys() {
            let path = join(&self.path, name);
            let hint = match nearest(name, &self.known) {
                Some(known) => format!("; did you mean {}?", join(&self.path, known)),
                None => format!("; known here: {}", self.known.join(", ")),
            };
            self.problems.push(format!(
                "{path}: not an option that this release supports{hint}"
            ));
        }
    }

    fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.fields.shift_remove(name)
    }

    fn path_of(&self, name: &str) -> String {
        join(&self.path, name)
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn parse(text: &str) -> Result<Map<String, Value>, String> {
    let blank = text
        .lines()
        .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
    if blank {
        return Ok(Map::new());
    }
    match serde_saphyr::from_str::<Value>(text) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(Value::Null) => Ok(Map::new()),
        Ok(other) => Err(format!("config file: expected a mapping, got {other}")),
        Err(error) => Err(format!("config file: {error}")),
    }
}

/// The known name that takes the fewest edits, when it takes few.
fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    known
        .iter()
        .map(|candidate| (edits(name, candidate), *candidate))
        .min()
        .filter(|(edits, candidate)| *edits <= candidate.len().div_ceil(3))
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        next.push(i + 1);
        for ((to, pair), j) in b.iter().zip(row.windows(2)).zip(0..) {
            let &[diagonal, above] = pair else { continue };
            let left = next.get(j).copied().unwrap_or(usize::MAX - 1);
            let replace = diagonal + usize::from(from != *to);
            next.push(replace.min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}
