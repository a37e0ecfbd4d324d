//! What is wrong with a document, collected: schema first, then meaning, in APISIX's order.
//!
//! Only the document itself is judged. Whether what it refers to exists, and whether its keys are
//! unique, is decided where all resources are known; see [`crate::references`].

mod meaning;
mod pending;
mod plugins;
mod problem;
#[cfg(test)]
mod tests;

use serde_json::Value;

pub use problem::Problem;

use crate::catalog::PluginCatalog;
use crate::resource::{Key, Kind};
use crate::schema;
use crate::secret;

/// A field that nothing reads, where APISIX ignores unknown fields silently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownField {
    /// Dotted path of the field.
    pub path: String,
    /// The known name at that place that looks most alike, if any does.
    pub nearest: Option<String>,
}

/// Everything validation found in one document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validation {
    /// Reasons to refuse the document, in the order in which APISIX would report them.
    pub problems: Vec<Problem>,
    /// Fields that are accepted but ignored: a warning in the Admin API, a refusal in the CLI.
    pub unknown: Vec<UnknownField>,
    /// Settings that are stored but that agents do not act on yet.
    pub pending: Vec<Problem>,
}

impl Validation {
    /// Whether there is no reason to refuse the document.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.problems.is_empty()
    }

    fn refuse(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem::new(path, message));
    }
}

/// Judges the document of one resource. The first problem is the one that APISIX would report, in
/// its words.
#[must_use]
pub fn validate(key: &Key, spec: &Value, catalog: &dyn PluginCatalog) -> Validation {
    let mut validation = Validation::default();
    forbidden(spec, &mut validation);
    if let Some(message) = meaning::before_schema(key.kind, spec) {
        validation.refuse("", message);
    }
    check_schema(key, spec, catalog, &mut validation);
    let well_formed = validation.is_accepted();
    if well_formed {
        meaning::check(key.kind, spec, &mut validation);
    }
    if let Some(configs) = spec.get("plugins").and_then(Value::as_object) {
        plugins::check(key.kind, configs, catalog, &mut validation);
    }
    if well_formed {
        meaning::after_plugins(key, spec, &mut validation);
        pending::find(key.kind, spec, &mut validation.pending);
    }
    validation
}

/// Settings of a valid document that agents do not act on yet.
#[must_use]
pub fn pending_settings(kind: Kind, spec: &Value) -> Vec<Problem> {
    let mut found = Vec::new();
    pending::find(kind, spec, &mut found);
    found
}

/// Timestamps are the server's business, here and in the two places where they used to be misread.
fn forbidden(spec: &Value, validation: &mut Validation) {
    let mut names = String::new();
    for place in ["", "upstream", "plugins"] {
        let fields = if place.is_empty() {
            Some(spec)
        } else {
            spec.get(place)
        };
        for name in ["create_time", "update_time"] {
            if fields.is_some_and(|fields| fields.get(name).is_some()) {
                names.push(' ');
                if !place.is_empty() {
                    names.push_str(place);
                    names.push('.');
                }
                names.push_str(name);
            }
        }
    }
    if let Some(first) = names.split_whitespace().next() {
        let message = format!("the property is forbidden: {names}");
        validation.refuse(first, message);
    }
}

fn check_schema(key: &Key, spec: &Value, catalog: &dyn PluginCatalog, validation: &mut Validation) {
    let mut doc = spec.clone();
    let (compiled, source) = match key.kind {
        Kind::PluginMetadata => {
            return plugins::check_metadata(&key.id, doc, catalog, validation);
        }
        Kind::Secret => {
            let manager = secret::manager_of(key);
            let Some(compiled) = schema::secret_schema(manager) else {
                validation.refuse("", format!("invalid secret manager: {manager}"));
                return;
            };
            (compiled, schema::source(key.kind, manager))
        }
        Kind::Registry => {
            let form = spec.get("type").and_then(Value::as_str);
            let source = schema::source(key.kind, form.unwrap_or_default());
            (schema::registry(spec), source)
        }
        kind => (schema::compiled(kind), schema::object_schema(kind)),
    };
    if let (Some(fields), true) = (doc.as_object_mut(), key.kind != Kind::Consumer) {
        // The id of the path counts as the document's own.
        let id = || Value::from(key.leaf());
        fields.entry("id").or_insert_with(id);
    }
    let problems = compiled.check_all(&mut doc);
    if problems.is_empty() {
        validation.unknown = schema::unknown_fields(source, spec);
        // The schema of a secret leaves `id` out, though every document may carry it.
        validation.unknown.retain(|field| field.path != "id");
    }
    validation
        .problems
        .extend(problems.into_iter().map(invalid));
}

/// A problem of the schema, in the words of the Admin API.
fn invalid(problem: Problem) -> Problem {
    Problem {
        message: format!("invalid configuration: {}", problem.message),
        ..problem
    }
}
