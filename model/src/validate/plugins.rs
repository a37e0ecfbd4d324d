//! Plugin configurations inside a document: known, valid by their schema, and compiling.

use serde_json::{Map, Value};

use super::{Problem, UnknownField, Validation};
use crate::catalog::{PluginCatalog, PluginPart, PluginSchemas};
use crate::field::number;
use crate::plugin::{META, Meta, is_disabled, without_meta};
use crate::resource::Kind;
use crate::schema;

/// Checks all plugin configurations of a document, in document order.
pub(super) fn check(
    kind: Kind,
    configs: &Map<String, Value>,
    catalog: &dyn PluginCatalog,
    validation: &mut Validation,
) {
    let of_consumer = matches!(kind, Kind::Consumer | Kind::Credential);
    let prefix = if of_consumer {
        "invalid plugins configuration: "
    } else {
        ""
    };
    for (name, config) in configs {
        let path = format!("plugins.{name}");
        let on_stream = kind == Kind::StreamRoute;
        let Some(schemas) = plugin(name, config, on_stream, catalog) else {
            let message = refusal(name, config, on_stream, catalog);
            validation.refuse(path, format!("{prefix}{message}"));
            continue;
        };
        let part = if of_consumer && schemas.consumer.is_some() {
            PluginPart::Consumer
        } else if on_stream {
            PluginPart::Stream
        } else {
            PluginPart::Config
        };
        let failed = match kind {
            Kind::StreamRoute => {
                format!("failed to check the configuration of stream plugin [{name}]: ")
            }
            _ => format!("failed to check the configuration of plugin {name} err: "),
        };
        let found = check_one(name, config, part, &schemas, catalog, &failed);
        for problem in found.problems {
            let message = format!("{prefix}{}", problem.message);
            let problem = Problem::new(problem.path, message);
            validation.problems.push(problem.inside(&path));
        }
        for field in found.unknown {
            validation.unknown.push(UnknownField {
                path: format!("{path}.{}", field.path),
                ..field
            });
        }
        if kind == Kind::Credential && !schemas.auth {
            let message = "only supports auth type plugins in consumer credential";
            validation.refuse(path, message);
        }
    }
}

fn plugin<'a>(
    name: &str,
    config: &Value,
    on_stream: bool,
    catalog: &'a dyn PluginCatalog,
) -> Option<PluginSchemas<'a>> {
    if !config.is_object() && !config.as_array().is_some_and(Vec::is_empty) {
        return None;
    }
    if on_stream {
        catalog.stream_schemas(name)
    } else {
        catalog.schemas(name)
    }
}

fn refusal(name: &str, config: &Value, on_stream: bool, catalog: &dyn PluginCatalog) -> String {
    match number::type_name(config) {
        "table" if on_stream && catalog.schemas(name).is_some() => {
            let known = catalog.stream_names().join(", ");
            format!("unknown plugin [{name}]: it does not run on streams, which take {known}")
        }
        "table" => format!("unknown plugin [{name}]"),
        _ => format!("invalid plugin conf {config} for plugin [{name}]"),
    }
}

/// What is wrong with one configuration, with paths inside it. `failed` stands before the texts of
/// its schema and of its compiler.
fn check_one(
    name: &str,
    config: &Value,
    part: PluginPart,
    schemas: &PluginSchemas<'_>,
    catalog: &dyn PluginCatalog,
    failed: &str,
) -> Validation {
    let mut found = Validation::default();
    let failed = |text: &str| format!("{failed}{text}");
    if let Some(meta) = config.get(META) {
        let mut meta = meta.clone();
        if let Err(problem) = schema::meta_schema().check(&mut meta) {
            let text = format!("property \"{META}\" validation failed: {}", problem.message);
            found
                .problems
                .push(Problem::new(problem.path, failed(&text)).inside(META));
            return found;
        }
    }
    // A plugin that is switched off may be half written.
    if !is_disabled(config) {
        let plain = without_meta(config);
        let source = match part {
            PluginPart::Consumer => schemas.consumer.unwrap_or(schemas.config),
            _ => schemas.config,
        };
        let mut filled = plain.clone();
        let problems = schema::cached(source).check_all(&mut filled);
        if problems.is_empty() {
            found.unknown = schema::unknown_fields(source, &plain);
            if let Err(text) = catalog.check(name, part, &filled) {
                found.refuse("", failed(&text));
            }
        }
        let problems = problems.into_iter();
        found.problems.extend(problems.map(|problem| Problem {
            message: failed(&catalog.reword(name, &plain, problem.message)),
            path: problem.path,
        }));
    }
    if let Err(text) = Meta::of(config) {
        found.refuse(format!("{META}.filter"), text);
    }
    if config
        .get(META)
        .is_some_and(|meta| meta.get("pre_function").is_some())
    {
        found.refuse(
            format!("{META}.pre_function"),
            format!("failed to load _meta.pre_function in plugin {name}: Lua functions are not supported"),
        );
    }
    found
}

/// Checks the metadata of one plugin.
pub(super) fn check_metadata(
    name: &str,
    mut doc: Value,
    catalog: &dyn PluginCatalog,
    validation: &mut Validation,
) {
    let Some(schemas) = catalog.schemas(name) else {
        validation.refuse("", "invalid plugin name");
        return;
    };
    if let Some(fields) = doc.as_object_mut() {
        fields.shift_remove("id");
    }
    let none = Value::Object(Map::from_iter([
        ("type".to_owned(), Value::from("object")),
        ("additionalProperties".to_owned(), Value::Bool(false)),
    ]));
    let source = schemas.metadata.unwrap_or(&none);
    let mut filled = doc.clone();
    let problems = schema::cached(source).check_all(&mut filled);
    if problems.is_empty() {
        validation.unknown = schema::unknown_fields(source, &doc);
        if let Err(text) = catalog.check(name, PluginPart::Metadata, &filled) {
            validation.refuse("", format!("invalid configuration: {text}"));
        }
    }
    validation
        .problems
        .extend(problems.into_iter().map(super::invalid));
}
