//! Configurations at the bounds of every schema, made of the examples of the READMEs: the checker of
//! the model accepts what a second reading of the schema accepts, and words what it refuses as APISIX.

use regex::Regex;
use serde_json::{Value, json};
use weir_model::{Key, Kind, PluginCatalog, PluginPart, schema, validate};

use super::documents::documents;
use super::examples::{parts, working};
use super::judge::{fits, same};
use crate::{BUILTIN, Builtin};

/// The texts of refusals: objects.md section 3.
fn wording() -> Regex {
    let before = [
        r#"property ".*" validation failed: "#,
        r"failed to validate item \d+: ",
        r#"failed to validate .* \(matching ".*"\): "#,
        "failed to validate additional property .*: ",
        r"allOf \d+ failed: ",
        r#"failed to validate dependent schema for ".*": "#,
    ];
    let last = [
        r#"property ".*" is required( when ".*" is set)?"#,
        "wrong type: expected (object|array|table|string|number|integer|boolean|one of .*), got \
         (nil|null|userdata|boolean|number|string|table)",
        "additional properties forbidden, found .*",
        "matches none of the enum values",
        r"string too (short, expected at least|long, expected at most) \d+, got \d+",
        r"expected \S+ to be (at least|at most|greater than|smaller than|a multiple of) \S+",
        r"expect (array|object) to have at (least|most) \d+ (items|properties)",
        r"expected unique items but items \d+ and \d+ are equal",
        "failed to match pattern \".*\" with \".*\"",
        "object matches none of the required(: .*)?",
        "value should match only one schema, but matches (none|both schemas \\d+ and \\d+)",
        "value wasn't supposed to match schema",
        "(then|else) clause did not match",
        "the input data should be an empty table",
        "expect false always",
        "failed to check (const value|contains)",
        "check contains: empty array is invalid",
        "expect valid ipv[46] address but got: .*",
    ];
    let all = format!("(?s)^(?:{})*(?:{})$", before.join("|"), last.join("|"));
    Regex::new(&all).unwrap()
}

#[test]
fn schemas_are_read_as_they_are_written() {
    let wording = wording();
    let mut wrong = Vec::new();
    for entry in BUILTIN {
        for (part, schema) in parts(entry) {
            let mut refused = 0;
            for doc in documents(&working(entry, part, schema), schema) {
                let (mut ours, mut theirs) = (doc.clone(), doc.clone());
                let found = schema::check(schema, &mut ours);
                let fit = fits(schema, &mut theirs);
                let place = format!("{} {part:?} {doc}", entry.name);
                match found {
                    Ok(()) if !fit => wrong.push(format!("accepted: {place}")),
                    Ok(()) if !same(&ours, &theirs) => {
                        wrong.push(format!("filled: {place}: {ours}, not {theirs}"));
                    }
                    Err(problem) if fit => {
                        wrong.push(format!("refused: {place}: {}", problem.message));
                    }
                    Err(problem) if !wording.is_match(&problem.message) => {
                        wrong.push(format!("worded: {place}: {}", problem.message));
                    }
                    Ok(()) => {}
                    Err(_) => refused += 1,
                }
            }
            // Where there is a rule there is something that breaks it.
            assert!(refused > 0, "{} {part:?}", entry.name);
        }
    }
    let count = wrong.len();
    wrong.truncate(40);
    assert!(wrong.is_empty(), "{count} documents\n{}", wrong.join("\n"));
}

#[test]
fn refusals_name_the_plugin() {
    for entry in BUILTIN {
        for (part, schema) in parts(entry) {
            let documents = documents(&working(entry, part, schema), schema);
            let refused = documents.into_iter().filter(Value::is_object);
            let refused = refused.filter_map(|doc| {
                let problem = schema::check(schema, &mut doc.clone()).err()?;
                Some((doc, problem.message))
            });
            for (doc, message) in refused.take(20) {
                let name = entry.name;
                let plugins = json!({name: doc});
                let failed = format!("failed to check the configuration of plugin {name} err: ");
                let (key, spec, prefix) = match part {
                    PluginPart::Consumer => (
                        Key::new(Kind::Consumer, "jack"),
                        json!({"username": "jack", "plugins": plugins}),
                        format!("invalid plugins configuration: {failed}"),
                    ),
                    PluginPart::Metadata => (
                        Key::new(Kind::PluginMetadata, name),
                        doc.clone(),
                        "invalid configuration: ".to_owned(),
                    ),
                    _ => (
                        Key::new(Kind::Route, "1"),
                        json!({"uri": "/", "plugins": plugins, "upstream_id": "1"}),
                        failed,
                    ),
                };
                let found = validate(&key, &spec, &Builtin);
                let first = found
                    .problems
                    .first()
                    .map(|problem| problem.message.clone());
                assert_eq!(first, Some(format!("{prefix}{message}")), "{doc}");
            }
        }
    }
}

#[test]
fn whatever_fits_a_schema_is_compiled_or_refused_with_a_reason() {
    for entry in BUILTIN {
        for (part, schema) in parts(entry) {
            for mut doc in documents(&working(entry, part, schema), schema) {
                if schema::check(schema, &mut doc).is_err() {
                    continue;
                }
                if let Err(reason) = Builtin.check(entry.name, part, &doc) {
                    let told = reason.trim() == reason && reason.len() > 8;
                    assert!(told, "{} {part:?} {doc}: {reason:?}", entry.name);
                }
            }
        }
    }
}
