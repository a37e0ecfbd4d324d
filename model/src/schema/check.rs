//! Checking a document against a compiled schema.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::{Map, Number, Value};

use super::Compiled;
use super::compile::{
    Additional, ArrayRules, Condition, Dependency, Format, Items, Needs, Node, NumberRules,
    ObjectRules, Property, StringRules, Type,
};
use super::quote::quote;
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

/// A name as a step of a problem's path.
fn step(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !name.is_empty() && name.chars().all(plain) {
        name.to_owned()
    } else {
        format!("[{}]", quote(name))
    }
}

impl ObjectRules {
    fn check_value(&self, doc: &mut Value, found: &mut Found) {
        match doc {
            Value::Object(fields) => self.check(fields, found),
            Value::Array(items) if items.is_empty() => {
                let mut fields = Map::new();
                self.check(&mut fields, found);
                if !fields.is_empty() {
                    *doc = Value::Object(fields);
                }
            }
            _ => {}
        }
    }

    fn check(&self, fields: &mut Map<String, Value>, found: &mut Found) {
        for property in &self.properties {
            property.check(fields, found);
            if found.done() {
                return;
            }
        }
        for name in &self.required {
            if !fields.contains_key(name) {
                found.push(format!("property {} is required", quote(name)));
            }
        }
        for dependency in &self.dependencies {
            if fields.contains_key(&dependency.name) {
                dependency.check(fields, found);
            }
        }
        if !found.done() {
            self.check_others(fields, found);
        }
        if !found.done() {
            self.check_count(fields, found);
        }
    }

    /// Pattern properties, and properties that are not declared.
    fn check_others(&self, fields: &mut Map<String, Value>, found: &mut Found) {
        if self.patterns.is_empty() && matches!(self.additional, Additional::Allowed) {
            return;
        }
        for (name, value) in fields.iter_mut() {
            let mut known = self.declared.contains(name);
            for (source, pattern, node) in &self.patterns {
                match pattern {
                    Ok(pattern) if !pattern.is_match(name) => continue,
                    Ok(_) => {}
                    Err(error) => return found.push(error.clone()),
                }
                known = true;
                let start = found.problems.len();
                node.check(value, found);
                if found.problems.len() > start {
                    let prefix =
                        format!("failed to validate {name} (matching {}): ", quote(source));
                    found.wrap(start, &step(name), &prefix);
                }
            }
            if !known {
                self.check_undeclared(name, value, found);
            }
            if found.done() {
                return;
            }
        }
    }

    fn check_undeclared(&self, name: &str, value: &mut Value, found: &mut Found) {
        let start = found.problems.len();
        match &self.additional {
            Additional::Allowed => {}
            Additional::Forbidden => {
                found.push(format!("additional properties forbidden, found {name}"));
                found.wrap(start, &step(name), "");
            }
            Additional::Schema(node) => {
                node.check(value, found);
                let prefix = format!("failed to validate additional property {name}: ");
                found.wrap(start, &step(name), &prefix);
            }
        }
    }

    fn check_count(&self, fields: &Map<String, Value>, found: &mut Found) {
        let count = fields.len() as u64;
        if let Some(min) = self.min.filter(|min| count < *min) {
            found.push(format!("expect object to have at least {min} properties"));
        } else if let Some(max) = self.max.filter(|max| count > *max) {
            found.push(format!("expect object to have at most {max} properties"));
        }
    }
}

impl Property {
    fn check(&self, fields: &mut Map<String, Value>, found: &mut Found) {
        let start = found.problems.len();
        if let Some(value) = fields.get_mut(&self.name) {
            self.node.check(value, found);
            if found.problems.len() > start {
                let prefix = format!("property {} validation failed: ", quote(&self.name));
                found.wrap(start, &step(&self.name), &prefix);
            } else if let Some(dependency) = &self.dependency {
                dependency.check(fields, found);
            }
        } else if self.required {
            found.push(format!("property {} is required", quote(&self.name)));
            found.wrap(start, &step(&self.name), "");
        } else if let Some(default) = &self.default {
            fields.insert(self.name.clone(), default.clone());
        }
    }
}

impl Dependency {
    fn check(&self, fields: &mut Map<String, Value>, found: &mut Found) {
        match &self.needs {
            Needs::Names(names) => {
                for name in names.iter().filter(|name| !fields.contains_key(*name)) {
                    let (name, because) = (quote(name), quote(&self.name));
                    found.push(format!("property {name} is required when {because} is set"));
                }
            }
            Needs::Schema(node) => {
                let mut doc = Value::Object(std::mem::take(fields));
                let start = found.problems.len();
                node.check(&mut doc, found);
                let name = quote(&self.name);
                let prefix = format!("failed to validate dependent schema for {name}: ");
                found.wrap(start, "", &prefix);
                if let Value::Object(filled) = doc {
                    *fields = filled;
                }
            }
        }
    }
}

impl ArrayRules {
    fn check_value(&self, doc: &mut Value, found: &mut Found) {
        match doc {
            Value::Array(items) => self.check(items, found),
            Value::Object(fields) if fields.is_empty() => self.check(&mut [], found),
            _ => {}
        }
    }

    fn check(&self, items: &mut [Value], found: &mut Found) {
        let count = items.len() as u64;
        if let Some(min) = self.min.filter(|min| count < *min) {
            return found.push(format!("expect array to have at least {min} items"));
        }
        if let Some(max) = self.max.filter(|max| count > *max) {
            return found.push(format!("expect array to have at most {max} items"));
        }
        let start = found.problems.len();
        for (index, item) in items.iter_mut().enumerate() {
            let node = match &self.items {
                Items::Any => None,
                Items::Each(node) => Some(node),
                Items::Tuple(nodes) => nodes.get(index),
            };
            let Some(node) = node else { break };
            let first = found.problems.len();
            node.check(item, found);
            if found.problems.len() > first {
                let prefix = format!("failed to validate item {}: ", index + 1);
                found.wrap(first, &format!("[{index}]"), &prefix);
            }
            if found.done() {
                return;
            }
        }
        if self.unique
            && found.problems.len() == start
            && let Some((first, second)) = duplicate(items)
        {
            found.push(format!(
                "expected unique items but items {first} and {second} are equal"
            ));
        }
    }
}

/// Positions, counted from 1, of the first item that repeats an earlier one.
fn duplicate(items: &[Value]) -> Option<(usize, usize)> {
    let mut seen = HashMap::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        // Objects and arrays that are equal print alike once their keys are in order.
        if let Some(first) = seen.insert(canonical(item), index + 1) {
            return Some((first, index + 1));
        }
    }
    None
}

fn canonical(value: &Value) -> String {
    match value {
        Value::Number(value) => {
            number::integral(value).map_or_else(|| value.to_string(), |integer| integer.to_string())
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(canonical).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(fields) if fields.is_empty() => "[]".to_owned(),
        Value::Object(fields) => {
            let field =
                |(name, value): (&String, &Value)| format!("{}:{}", quote(name), canonical(value));
            let mut fields: Vec<String> = fields.iter().map(field).collect();
            fields.sort_unstable();
            format!("{{{}}}", fields.join(","))
        }
        Value::String(text) => quote(text),
        other => other.to_string(),
    }
}

impl StringRules {
    fn check(&self, text: &str, found: &mut Found) {
        let length = text.chars().count() as u64;
        if let Some(min) = self.min.filter(|min| length < *min) {
            return found.push(format!(
                "string too short, expected at least {min}, got {length}"
            ));
        }
        if let Some(max) = self.max.filter(|max| length > *max) {
            return found.push(format!(
                "string too long, expected at most {max}, got {length}"
            ));
        }
        match &self.pattern {
            Some((source, Ok(pattern))) if !pattern.is_match(text) => found.push(format!(
                "failed to match pattern {} with {}",
                quote(source),
                quote(text)
            )),
            Some((_, Err(error))) => found.push(error.clone()),
            _ => {}
        }
    }
}

impl NumberRules {
    fn check(&self, value: &Number, found: &mut Found) {
        let Some(float) = value.as_f64() else {
            return;
        };
        let got = number::print(value);
        let bound = number::print_f64;
        if let Some(min) = self.minimum.filter(|min| float < *min) {
            found.push(format!("expected {got} to be at least {}", bound(min)));
        } else if let Some(min) = self.exclusive_minimum.filter(|min| float <= *min) {
            found.push(format!("expected {got} to be greater than {}", bound(min)));
        } else if let Some(max) = self.maximum.filter(|max| float > *max) {
            found.push(format!("expected {got} to be at most {}", bound(max)));
        } else if let Some(max) = self.exclusive_maximum.filter(|max| float >= *max) {
            found.push(format!("expected {got} to be smaller than {}", bound(max)));
        } else if let Some(of) = self.multiple_of.filter(|of| (float / of).fract() != 0.0) {
            found.push(format!("expected {got} to be a multiple of {}", bound(of)));
        }
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

impl Format {
    fn check(self, text: &str) -> Result<(), String> {
        let (name, fits) = match self {
            Format::Ipv4 => ("ipv4", text.parse::<Ipv4Addr>().is_ok()),
            Format::Ipv6 => ("ipv6", text.parse::<Ipv6Addr>().is_ok()),
        };
        if fits {
            Ok(())
        } else {
            Err(format!("expect valid {name} address but got: {text}"))
        }
    }
}
