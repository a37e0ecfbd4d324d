//! Checking a document against a compiled schema.

mod array;
mod object;
mod scalar;

use serde_json::{Map, Value};

use super::Compiled;
use super::compile::{Condition, Node, Type};
use crate::field::number;
use crate::validate::Problem;

impl Compiled {
    /// Checks a document and fills defaults into it.
    ///
    /// # Errors
    /// The first thing that is wrong. The document may have been filled in part.
    pub fn check(&self, doc: &mut Value) -> Result<(), Problem> {
        let mut found = Found {
            all: false,
            problems: Vec::new(),
        };
        self.root.check(doc, &mut found);
        found.problems.into_iter().next().map_or(Ok(()), Err)
    }

    /// Checks a document, fills defaults into it, and goes on after a problem where the rest can
    /// still be judged: several wrong properties give several problems.
    #[must_use]
    pub fn check_all(&self, doc: &mut Value) -> Vec<Problem> {
        let mut found = Found {
            all: true,
            problems: Vec::new(),
        };
        self.root.check(doc, &mut found);
        found.problems
    }
}

/// Problems found so far.
struct Found {
    /// Whether to go on after the first one.
    all: bool,
    problems: Vec<Problem>,
}

impl Found {
    fn push(&mut self, message: impl Into<String>) {
        self.problems.push(Problem::new("", message));
    }

    fn done(&self) -> bool {
        !self.all && !self.problems.is_empty()
    }

    /// Places the problems found since `start` inside `path`, with `prefix` before their texts.
    fn wrap(&mut self, start: usize, path: &str, prefix: &str) {
        for problem in self.problems.iter_mut().skip(start) {
            problem.message.insert_str(0, prefix);
            if !path.is_empty() {
                let inner = std::mem::replace(problem, Problem::new("", ""));
                *problem = inner.inside(path);
            }
        }
    }
}

impl Node {
    /// Whether the document fits, without a word about why not. Nothing is written when it does
    /// not, and nothing at all unless `keep`.
    fn accepts(&self, doc: &mut Value, keep: bool) -> bool {
        let mut found = Found {
            all: false,
            problems: Vec::new(),
        };
        if !self.writes {
            self.check(doc, &mut found);
            return found.problems.is_empty();
        }
        let mut copy = doc.clone();
        self.check(&mut copy, &mut found);
        let fits = found.problems.is_empty();
        if fits && keep {
            *doc = copy;
        }
        fits
    }

    fn check(&self, doc: &mut Value, found: &mut Found) {
        match self.constant {
            Some(true) => return,
            Some(false) => return found.push("expect false always"),
            None => {}
        }
        if !self.expected.is_empty() && !self.types.iter().any(|kind| kind.settle(doc)) {
            let got = number::type_name(doc);
            return found.push(format!("wrong type: expected {}, got {got}", self.expected));
        }
        let before = found.problems.len();
        if let Some(rules) = &self.object {
            rules.check_value(doc, found);
        }
        if self.must_be_empty && !is_empty(doc) {
            found.push("the input data should be an empty table");
        }
        if let Some(rules) = &self.array {
            rules.check_value(doc, found);
        }
        if let (Some(rules), Value::String(text)) = (&self.string, &*doc) {
            rules.check(text, found);
        }
        if let (Some(rules), Value::Number(number)) = (&self.number, &*doc) {
            rules.check(number, found);
        }
        // What follows judges the value as a whole: noise once a part of it is known to be wrong.
        if found.problems.len() == before
            && let Err(message) = self.check_whole(doc)
        {
            found.push(message);
        }
    }

    fn check_whole(&self, doc: &mut Value) -> Result<(), String> {
        if let Some(choices) = &self.choices
            && !choices.iter().any(|choice| number::equal(choice, doc))
        {
            return Err("matches none of the enum values".to_owned());
        }
        for (index, node) in self.all_of.iter().enumerate() {
            let mut found = Found {
                all: false,
                problems: Vec::new(),
            };
            node.check(doc, &mut found);
            if let Some(problem) = found.problems.first() {
                return Err(format!("allOf {} failed: {}", index + 1, problem.message));
            }
        }
        if !self.any_of.is_empty() && !self.any_of.iter().any(|node| node.accepts(doc, true)) {
            return Err(self.any_of_error.clone());
        }
        self.check_one_of(doc)?;
        if let Some(not) = &self.not
            && not.accepts(doc, false)
        {
            return Err("value wasn't supposed to match schema".to_owned());
        }
        if let Some(condition) = &self.condition {
            condition.check(doc)?;
        }
        if let (Some(format), Value::String(text)) = (self.format, &*doc) {
            format.check(text)?;
        }
        if let Some(constant) = &self.equal_to
            && !number::equal(constant, doc)
        {
            return Err("failed to check const value".to_owned());
        }
        self.check_contains(doc)
    }

    fn check_one_of(&self, doc: &mut Value) -> Result<(), String> {
        if self.one_of.is_empty() {
            return Ok(());
        }
        let mut matched: Option<(usize, &Node)> = None;
        for (index, node) in self.one_of.iter().enumerate() {
            if !node.accepts(doc, false) {
                continue;
            }
            if let Some((first, _)) = matched {
                return Err(format!(
                    "value should match only one schema, but matches both schemas {} and {}",
                    first + 1,
                    index + 1
                ));
            }
            matched = Some((index, node));
        }
        let Some((_, node)) = matched else {
            return Err("value should match only one schema, but matches none".to_owned());
        };
        if node.writes {
            node.accepts(doc, true);
        }
        Ok(())
    }

    fn check_contains(&self, doc: &mut Value) -> Result<(), String> {
        let (Some(node), Value::Array(items)) = (&self.contains, doc) else {
            return Ok(());
        };
        if items.is_empty() {
            return Err("check contains: empty array is invalid".to_owned());
        }
        if items.iter_mut().any(|item| node.accepts(item, false)) {
            Ok(())
        } else {
            Err("failed to check contains".to_owned())
        }
    }
}

impl Type {
    /// Whether the value is of this type. Integers written as floats become integers, and
    /// something empty becomes what the schema wants.
    fn settle(self, doc: &mut Value) -> bool {
        match (self, &*doc) {
            (Type::Object, Value::Array(items)) if items.is_empty() => {
                *doc = Value::Object(Map::new());
                true
            }
            (Type::Array, Value::Object(fields)) if fields.is_empty() => {
                *doc = Value::Array(Vec::new());
                true
            }
            (Type::Integer, Value::Number(value)) => {
                if value.is_f64()
                    && let Some(integer) = number::integral(value)
                {
                    *doc = Value::from(integer);
                    return true;
                }
                number::is_integer(value)
            }
            (Type::Object, Value::Object(_))
            | (Type::Array, Value::Array(_))
            | (Type::Table, Value::Object(_) | Value::Array(_))
            | (Type::String, Value::String(_))
            | (Type::Number, Value::Number(_))
            | (Type::Boolean, Value::Bool(_))
            | (Type::Null, Value::Null) => true,
            _ => false,
        }
    }
}

fn is_empty(doc: &Value) -> bool {
    match doc {
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

impl Condition {
    fn check(&self, doc: &mut Value) -> Result<(), String> {
        let (branch, error) = if self.condition.accepts(doc, false) {
            (&self.then, "then clause did not match")
        } else {
            (&self.otherwise, "else clause did not match")
        };
        match branch {
            Some(node) if !node.accepts(doc, true) => Err(error.to_owned()),
            _ => Ok(()),
        }
    }
}
