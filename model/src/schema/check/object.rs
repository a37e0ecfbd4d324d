//! Objects: properties, defaults, dependencies, and names that are not declared.

use serde_json::{Map, Value};

use super::Found;
use crate::schema::compile::{Additional, Dependency, Needs, ObjectRules, Property};
use crate::schema::quote::quote;

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
    pub(super) fn check_value(&self, doc: &mut Value, found: &mut Found) {
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
