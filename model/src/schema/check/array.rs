//! Arrays: how many items, each item, and that none repeats.

use std::collections::HashMap;

use serde_json::Value;

use super::Found;
use crate::field::number;
use crate::schema::compile::{ArrayRules, Items};
use crate::schema::quote::quote;

impl ArrayRules {
    pub(super) fn check_value(&self, doc: &mut Value, found: &mut Found) {
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
                Items::Each(node) => Some(&**node),
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
