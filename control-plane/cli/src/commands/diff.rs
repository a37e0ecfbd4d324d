//! `weir diff`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};
use weir_model::{Key, Kind};

use super::listing::{self, Query};
use crate::connection::{self, Connection};
use crate::documents::files;
use crate::exit::{Code, Failure};
use crate::output::{self, Console, Palette, Render, table};

/// Options of `weir diff`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit code 0: nothing differs; 1: something differs; 2 and more: trouble.

Example:
  weir diff -f config/
  weir diff -f routes.yaml -o json")]
pub struct Options {
    /// Files or directories to read; - is stdin
    #[arg(
        short = 'f',
        long = "file",
        value_name = "FILE_OR_DIR",
        required = true
    )]
    files: Vec<PathBuf>,
    #[command(flatten)]
    output: output::Options,
    #[command(flatten)]
    connection: connection::Options,
}

/// Code 1 means that something differs, so what is 1 elsewhere is 2 here.
pub(crate) async fn run(options: Options, console: &Console) -> Result<Code, Failure> {
    match compare(&options, console).await {
        Err(failure) if failure.code() == Code::Refused => {
            console.failure(&failure);
            Ok(Code::Usage)
        }
        other => other,
    }
}

async fn compare(options: &Options, console: &Console) -> Result<Code, Failure> {
    let connection = Connection::open(&options.connection)?;
    let (documents, notes) = files::read(&options.files)?;
    for note in notes {
        console.warning(&note);
    }
    let query = Query {
        secrets: true,
        ..Query::default()
    };
    let present = listing::list(&connection, console, query).await?;
    let before: BTreeMap<_, _> = present
        .resources
        .iter()
        .map(|resource| {
            (
                &resource.key,
                listing::without_id(&resource.key, &resource.spec),
            )
        })
        .collect();
    let differences: Vec<_> = documents
        .iter()
        .filter_map(|document| {
            let before = before.get(&document.key).map(Arc::as_ref);
            Difference::between(&document.key, before, &document.spec)
        })
        .collect();
    let differences = Differences(differences);
    console.data(&differences.text(options.output.format, console.palette))?;
    console.note(&format!(
        "{} of {} documents differ from revision {}",
        differences.0.len(),
        documents.len(),
        present.revision
    ));
    Ok(if differences.0.is_empty() {
        Code::Done
    } else {
        Code::Refused
    })
}

/// How one resource differs.
#[derive(Debug, PartialEq)]
struct Difference {
    key: Key,
    new: bool,
    fields: Vec<Field>,
}

/// One field: `None` is a field that is not there.
#[derive(Debug, PartialEq)]
struct Field {
    path: String,
    before: Option<Value>,
    after: Option<Value>,
}

impl Difference {
    fn between(key: &Key, before: Option<&Value>, after: &Value) -> Option<Self> {
        let mut fields = Vec::new();
        match before {
            Some(before) => walk("", Some(before), Some(after), &mut fields),
            None => walk("", Some(&json!({})), Some(after), &mut fields),
        }
        if before.is_some() && fields.is_empty() {
            return None;
        }
        for field in &mut fields {
            if secret(key.kind, &field.path) {
                let hidden = |value: &mut Value| *value = "(not shown)".into();
                field.before.as_mut().map(hidden);
                field.after.as_mut().map(hidden);
            }
        }
        Some(Self {
            key: key.clone(),
            new: before.is_none(),
            fields,
        })
    }
}

/// Fields whose values are not for a terminal.
fn secret(kind: Kind, path: &str) -> bool {
    let first = path.split(['.', '[']).next().unwrap_or(path);
    match kind {
        Kind::Ssl => matches!(first, "key" | "keys"),
        Kind::Secret => matches!(
            first,
            "token" | "access_key_id" | "secret_access_key" | "session_token" | "auth_config"
        ),
        _ => path.ends_with("tls.client_key"),
    }
}

fn walk(path: &str, before: Option<&Value>, after: Option<&Value>, fields: &mut Vec<Field>) {
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let added = after.keys().filter(|name| !before.contains_key(*name));
            for name in before.keys().chain(added) {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                walk(&path, before.get(name), after.get(name), fields);
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) if before.len() == after.len() => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                walk(
                    &format!("{path}[{index}]"),
                    Some(before),
                    Some(after),
                    fields,
                );
            }
        }
        (before, after) if before != after => fields.push(Field {
            path: path.to_owned(),
            before: before.cloned(),
            after: after.cloned(),
        }),
        _ => {}
    }
}

struct Differences(Vec<Difference>);

impl Render for Differences {
    fn table(&self, palette: Palette) -> String {
        let mut lines = Vec::new();
        for difference in &self.0 {
            let word = if difference.new {
                palette.good("new")
            } else {
                palette.changed("changed")
            };
            lines.push(format!(
                "{}: {word}",
                table::clean(&difference.key.to_string())
            ));
            for field in &difference.fields {
                let path = table::clean(&field.path);
                if let Some(before) = &field.before {
                    lines.push(palette.bad(&format!("  - {path}: {before}")));
                }
                if let Some(after) = &field.after {
                    lines.push(palette.good(&format!("  + {path}: {after}")));
                }
            }
        }
        lines.join("\n")
    }

    fn data(&self) -> Value {
        self.0
            .iter()
            .map(|difference| {
                let fields: Vec<_> = difference
                    .fields
                    .iter()
                    .map(|field| {
                        let mut entry = json!({"path": field.path});
                        if let (Some(before), Some(entry)) = (&field.before, entry.as_object_mut())
                        {
                            entry.insert("before".to_owned(), before.clone());
                        }
                        if let (Some(after), Some(entry)) = (&field.after, entry.as_object_mut()) {
                            entry.insert("after".to_owned(), after.clone());
                        }
                        entry
                    })
                    .collect();
                json!({
                    "kind": difference.key.kind.name(),
                    "id": &*difference.key.id,
                    "change": if difference.new { "new" } else { "changed" },
                    "fields": fields,
                })
            })
            .collect()
    }

    fn names(&self) -> Vec<String> {
        self.0
            .iter()
            .map(|difference| difference.key.to_string())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(before: Option<Value>, after: Value) -> Option<Difference> {
        Difference::between(&Key::new(Kind::Route, "1"), before.as_ref(), &after)
    }

    #[test]
    fn equal_documents_do_not_differ() {
        let document = json!({"uri": "/a", "methods": ["GET"]});
        assert_eq!(between(Some(document.clone()), document), None);
        let reordered = between(Some(json!({"a": 1, "b": 2})), json!({"b": 2, "a": 1}));
        assert_eq!(reordered, None);
    }

    #[test]
    fn each_field_that_differs_is_shown_with_its_path() {
        let difference = between(
            Some(json!({"uri": "/a", "desc": "x", "methods": ["GET", "PUT"]})),
            json!({"uri": "/b", "priority": 1, "methods": ["GET", "POST"]}),
        );
        let text = Differences(difference.into_iter().collect()).table(Palette::PLAIN);
        assert_eq!(
            text,
            "routes/1: changed\n  - uri: \"/a\"\n  + uri: \"/b\"\n  - desc: \"x\"\n  \
             - methods[1]: \"PUT\"\n  + methods[1]: \"POST\"\n  + priority: 1"
        );
    }

    #[test]
    fn a_new_empty_document_is_still_new() {
        assert!(between(None, json!({})).is_some_and(|difference| difference.new));
    }

    #[test]
    fn private_keys_are_not_shown() {
        let key = Key::new(Kind::Ssl, "1");
        let difference =
            Difference::between(&key, Some(&json!({"key": "old"})), &json!({"key": "new"}));
        let differences = Differences(difference.into_iter().collect());
        let text = differences.table(Palette::PLAIN) + &differences.data().to_string();
        assert!(!text.contains("old") && !text.contains("\"new\""), "{text}");
    }
}
