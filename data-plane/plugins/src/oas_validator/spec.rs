//! An OpenAPI document, compiled: which operations there are, and what each takes.

use serde_json::{Map, Value};
use weir_model::schema::Compiled;

use super::parameter::{Parameter, Place};
use crate::embedded_schema;

/// Operations of one document.
const MAX_OPERATIONS: usize = 5_000;
const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

/// A document.
pub(super) struct Spec {
    /// Paths in front of all others, of its servers; longest first, the empty one last.
    bases: Vec<String>,
    paths: Vec<Path>,
}

struct Path {
    segments: Vec<Segment>,
    operations: Vec<(String, Operation)>,
}

/// A piece of a path between slashes.
enum Segment {
    Text(String),
    /// `{name}` alone, or between texts.
    Parameter {
        before: String,
        name: String,
        after: String,
    },
}

/// One operation.
pub(super) struct Operation {
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<Body>,
}

/// The body that an operation takes.
pub(super) struct Body {
    pub(super) required: bool,
    /// Content types and what fits them; nothing when anything does.
    pub(super) contents: Vec<(String, Option<Compiled>, Value)>,
}

/// Names of the parameters of a path, and what stands for them.
pub(super) type Captures<'s> = Vec<(&'s str, String)>;

/// Why there is no operation.
pub(super) enum Missing {
    Path,
    Method,
}

impl Spec {
    /// # Errors
    /// What is wrong with the document, and where.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let root: Value = match serde_json::from_str(text) {
            Ok(root) => root,
            Err(_) if !text.trim_start().starts_with('{') => {
                serde_saphyr::from_str(text).map_err(|error| {
                    error
                        .to_string()
                        .lines()
                        .next()
                        .unwrap_or_default()
                        .to_owned()
                })?
            }
            Err(error) => return Err(error.to_string()),
        };
        let version = root.get("openapi").and_then(Value::as_str);
        if !version.is_some_and(|version| version.starts_with("3.")) {
            return Err("openapi: expected version 3".to_owned());
        }
        let paths = root.get("paths").and_then(Value::as_object);
        let paths = paths.ok_or("paths: expected an object")?;
        let mut spec = Self {
            bases: bases(&root),
            paths: Vec::new(),
        };
        let mut operations = 0;
        for (template, item) in paths {
            let item = referenced(&root, item)?;
            let place = format!("paths.{template}");
            let path = Path::parse(&root, template, item)
                .map_err(|reason| format!("{place}: {reason}"))?;
            operations += path.operations.len();
            if operations > MAX_OPERATIONS {
                return Err(format!("more than {MAX_OPERATIONS} operations"));
            }
            spec.paths.push(path);
        }
        // Texts win over parameters, from the left.
        spec.paths.sort_by_key(|path| {
            let parameter = |segment: &Segment| matches!(segment, Segment::Parameter { .. });
            path.segments.iter().map(parameter).collect::<Vec<_>>()
        });
        Ok(spec)
    }

    /// The operation of a request, and the parameters of its path.
    pub(super) fn find<'s>(
        &'s self,
        method: &str,
        path: &str,
    ) -> Result<(&'s Operation, Captures<'s>), Missing> {
        let mut missing = Missing::Path;
        for base in &self.bases {
            let Some(rest) = path.strip_prefix(base.as_str()) else {
                continue;
            };
            for known in &self.paths {
                let Some(captures) = known.captures(rest) else {
                    continue;
                };
                let mut operations = known.operations.iter();
                match operations.find(|(name, _)| name.eq_ignore_ascii_case(method)) {
                    Some((_, operation)) => return Ok((operation, captures)),
                    None => missing = Missing::Method,
                }
            }
        }
        Err(missing)
    }
}

/// Paths of the servers' addresses.
fn bases(root: &Value) -> Vec<String> {
    let servers = root.get("servers").and_then(Value::as_array);
    let urls = servers.into_iter().flatten();
    let urls = urls.filter_map(|server| server.get("url").and_then(Value::as_str));
    let mut bases: Vec<String> = urls
        .map(|url| {
            let path = match url.split_once("://") {
                Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)),
                None => Some(url),
            };
            path.unwrap_or_default().trim_end_matches('/').to_owned()
        })
        .collect();
    bases.push(String::new());
    bases.sort_by_key(|base| std::cmp::Reverse(base.len()));
    bases.dedup();
    bases
}

/// What a reference names; anything else is itself.
fn referenced<'r>(root: &'r Value, value: &'r Value) -> Result<&'r Value, String> {
    let mut value = value;
    for _ in 0..8 {
        let Some(reference) = value.get("$ref").and_then(Value::as_str) else {
            return Ok(value);
        };
        let pointer = reference.strip_prefix('#');
        let found = pointer.and_then(|pointer| root.pointer(pointer));
        value = found.ok_or_else(|| format!("$ref {reference} names nothing in the document"))?;
    }
    Err("references lead to references without end".to_owned())
}

impl Path {
    fn parse(root: &Value, template: &str, item: &Value) -> Result<Self, String> {
        let segments = template
            .strip_prefix('/')
            .ok_or("expected a path that begins with /")?
            .split('/')
            .map(Segment::parse)
            .collect();
        let mut operations = Vec::new();
        for method in METHODS {
            let Some(operation) = item.get(method) else {
                continue;
            };
            let parsed = Operation::parse(root, item, operation)
                .map_err(|reason| format!("{method}: {reason}"))?;
            operations.push((method.to_owned(), parsed));
        }
        Ok(Self {
            segments,
            operations,
        })
    }

    fn captures<'s>(&'s self, path: &str) -> Option<Captures<'s>> {
        let mut captures = Vec::new();
        let mut given = path.strip_prefix('/')?.split('/');
        for segment in &self.segments {
            let text = given.next()?;
            match segment {
                Segment::Text(expected) if expected == text => {}
                Segment::Text(_) => return None,
                Segment::Parameter {
                    before,
                    name,
                    after,
                } => {
                    let value = text.strip_prefix(before.as_str())?;
                    let value = value.strip_suffix(after.as_str())?;
                    if value.is_empty() {
                        return None;
                    }
                    captures.push((name.as_str(), value.to_owned()));
                }
            }
        }
        given.next().is_none().then_some(captures)
    }
}

impl Segment {
    fn parse(text: &str) -> Self {
        let parameter = text.split_once('{').and_then(|(before, rest)| {
            let (name, after) = rest.split_once('}')?;
            Some((before, name, after))
        });
        match parameter {
            Some((before, name, after)) => Self::Parameter {
                before: before.to_owned(),
                name: name.to_owned(),
                after: after.to_owned(),
            },
            None => Self::Text(text.to_owned()),
        }
    }
}

impl Operation {
    fn parse(root: &Value, item: &Value, operation: &Value) -> Result<Self, String> {
        let mut parameters: Vec<Parameter> = Vec::new();
        for owner in [item, operation] {
            let list = owner.get("parameters").and_then(Value::as_array);
            for value in list.into_iter().flatten() {
                let Some(parsed) = Parameter::parse(root, referenced(root, value)?)? else {
                    continue;
                };
                // The operation's own win over those of the path.
                parameters.retain(|known| !known.is_same(&parsed));
                parameters.push(parsed);
            }
        }
        let body = match operation.get("requestBody") {
            Some(body) => Some(Body::parse(root, referenced(root, body)?)?),
            None => None,
        };
        Ok(Self { parameters, body })
    }

    /// Its parameters that stand at this place.
    pub(super) fn at(&self, place: Place) -> impl Iterator<Item = &Parameter> {
        self.parameters
            .iter()
            .filter(move |parameter| parameter.place == place)
    }
}

impl Body {
    fn parse(root: &Value, body: &Value) -> Result<Self, String> {
        let empty = Map::new();
        let contents = body.get("content").and_then(Value::as_object);
        let contents = contents.unwrap_or(&empty).iter();
        let contents = contents.map(|(kind, content)| {
            let schema = content.get("schema");
            let compiled = schema.map(|schema| embedded_schema::compile_openapi(root, schema));
            let compiled = compiled
                .transpose()
                .map_err(|reason| format!("requestBody.content.{kind}: {reason}"))?;
            let kind = kind.split(';').next().unwrap_or_default().trim();
            let schema = match schema {
                Some(schema) => referenced(root, schema)?.clone(),
                None => Value::Null,
            };
            Ok((kind.to_ascii_lowercase(), compiled, schema))
        });
        Ok(Self {
            required: body.get("required") == Some(&Value::Bool(true)),
            contents: contents.collect::<Result<_, String>>()?,
        })
    }
}
