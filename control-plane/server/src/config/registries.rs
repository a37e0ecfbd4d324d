//! Registries of the file, in the form of APISIX's static config: `discovery: {TYPE: {...}}`, or a
//! list of such documents with an `id` each.

use serde_json::Value;
use weir_model::registry::{Registry, TYPES};
use weir_model::schema::nearest;

/// A registry of the control node's own file.
#[derive(Debug, Clone)]
pub struct FileRegistry {
    /// Its name, where the file states several of a type.
    pub id: Option<String>,
    /// The document.
    pub document: Registry,
}

/// Reads the section; every problem is collected.
pub(super) fn read(section: Option<&Value>, problems: &mut Vec<String>) -> Vec<FileRegistry> {
    let mut found = Vec::new();
    let types = match section {
        None | Some(Value::Null) => return found,
        Some(Value::Object(types)) => types,
        Some(other) => {
            problems.push(format!("discovery: expected a mapping, got {other}"));
            return found;
        }
    };
    for (kind, documents) in types {
        if !TYPES.contains(&kind.as_str()) {
            let hint =
                nearest(kind, TYPES).map(|known| format!(", the nearest known one is {known}"));
            let hint = hint.unwrap_or_default();
            problems.push(format!("discovery.{kind}: unknown type of registry{hint}"));
            continue;
        }
        match documents {
            Value::Array(documents) => {
                for (at, document) in documents.iter().enumerate() {
                    let place = format!("discovery.{kind}[{at}]");
                    if document.get("id").is_none() && documents.len() > 1 {
                        problems.push(format!("{place}.id: needed where there are several"));
                    }
                    found.extend(one(&place, kind, document, problems));
                }
            }
            document => found.extend(one(&format!("discovery.{kind}"), kind, document, problems)),
        }
    }
    found
}

fn one(
    place: &str,
    kind: &str,
    document: &Value,
    problems: &mut Vec<String>,
) -> Option<FileRegistry> {
    let Value::Object(fields) = document else {
        problems.push(format!("{place}: expected a mapping, got {document}"));
        return None;
    };
    let mut fields = fields.clone();
    fields.insert("type".to_owned(), kind.into());
    let id = fields.get("id").and_then(weir_model::field::id::text);
    match Registry::parse(&Value::Object(fields)) {
        Ok(document) => Some(FileRegistry { id, document }),
        Err(problem) => {
            problems.push(problem.inside(place).to_string());
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(section: Value) -> Vec<String> {
        let mut problems = Vec::new();
        let _ = read(Some(&section), &mut problems);
        problems
    }

    #[test]
    fn types_hold_one_document_or_a_list() {
        let mut wrong = Vec::new();
        let section = json!({
            "consul": {"servers": ["http://127.0.0.1:8500"]},
            "kubernetes": [{"id": "a"}, {"id": "b", "default_weight": 1}]
        });
        let found = read(Some(&section), &mut wrong);
        assert_eq!(wrong, Vec::<String>::new());
        let shown: Vec<_> = found
            .iter()
            .map(|entry| (entry.document.backend.kind(), entry.id.as_deref()))
            .collect();
        assert_eq!(
            shown,
            [
                ("consul", None),
                ("kubernetes", Some("a")),
                ("kubernetes", Some("b"))
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        assert_eq!(
            problems(json!({"consull": {}, "dns": 1, "kubernetes": [{}, {}]})),
            [
                "discovery.consull: unknown type of registry, the nearest known one is consul",
                "discovery.dns: expected a mapping, got 1",
                "discovery.kubernetes[0].id: needed where there are several",
                "discovery.kubernetes[1].id: needed where there are several",
            ]
        );
        let missing = problems(json!({"consul": {}}));
        assert!(missing[0].starts_with("discovery.consul"), "{missing:?}");
    }
}
