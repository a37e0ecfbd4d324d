//! The forms in which a file can hold resources.

use std::sync::Arc;

use serde_json::Value;
use weir_model::{Key, Kind};

use super::node::{Node, Shape};
use super::{Document, Fault, Parsed, Source};

/// Fields of the `{kind, id, spec}` form that the control plane sets: shown by `get`, and ignored
/// when they come back.
const ENVELOPE: [&str; 5] = [
    "created",
    "modified",
    "create_time",
    "update_time",
    "expires_at_ms",
];
/// Fields of an object in a standalone file that the control plane sets.
const STAMPS: [&str; 2] = ["create_time", "update_time"];

/// Documents of all roots of a file, or all of its faults.
pub(super) fn documents(file: &Arc<str>, roots: Vec<Node>) -> Result<Parsed, Vec<Fault>> {
    let mut reader = Reader {
        file,
        parsed: Parsed::default(),
        faults: Vec::new(),
    };
    for root in roots {
        reader.root(root);
    }
    if reader.faults.is_empty() {
        Ok(reader.parsed)
    } else {
        Err(reader.faults)
    }
}

/// Says of every root that is a registry what it is and, where that is left out, which.
pub(super) fn as_registries(mut roots: Vec<Node>) -> Vec<Node> {
    for root in &mut roots {
        let line = root.line;
        let Shape::Map(fields) = &mut root.shape else {
            continue;
        };
        let say = |fields: &mut Fields, name: &str| {
            let shape = Shape::Scalar(Value::from("registry"));
            fields.push((name.to_owned(), Node { line, shape }));
        };
        if has(fields, "type") && !has(fields, "kind") {
            say(fields, "kind");
        }
        if has(fields, "kind") && !has(fields, "spec") && !has(fields, "id") {
            say(fields, "id");
        }
    }
    roots
}

struct Reader<'a> {
    file: &'a Arc<str>,
    parsed: Parsed,
    faults: Vec<Fault>,
}

type Fields = Vec<(String, Node)>;

impl Reader<'_> {
    fn root(&mut self, root: Node) {
        let line = root.line;
        match root.shape {
            Shape::Scalar(Value::Null) => {}
            Shape::List(items) => {
                for (index, item) in items.into_iter().enumerate() {
                    let (line, what) = (item.line, item.describe());
                    match item.shape {
                        Shape::Map(fields) if has(&fields, "kind") => self.single(line, fields),
                        Shape::Map(_) => {
                            self.fault(line, &format!("[{index}]"), "`kind` is missing");
                        }
                        _ => self.fault(
                            line,
                            &format!("[{index}]"),
                            &format!("expected a document, got {what}"),
                        ),
                    }
                }
            }
            Shape::Map(fields) if has(&fields, "kind") => self.single(line, fields),
            Shape::Map(fields) => self.standalone(line, fields),
            Shape::Scalar(_) => self.fault(line, "", "expected a document, got plain text"),
        }
    }

    /// `{kind, id, spec}`, or fields beside `kind` and `id`.
    fn single(&mut self, line: u32, mut fields: Fields) {
        let named = take(&mut fields, "kind");
        let kind = match named.map(|node| (node.line, node.describe(), node.shape)) {
            Some((_, _, Shape::Scalar(Value::String(name)))) if Kind::parse(&name).is_some() => {
                Kind::parse(&name)
            }
            Some((at, _, Shape::Scalar(Value::String(name)))) => {
                let known: Vec<_> = Kind::ALL.into_iter().map(Kind::name).collect();
                let message = format!("expected one of {}, got {name:?}", known.join(", "));
                self.fault(at, "kind", &message);
                None
            }
            Some((at, what, _)) => {
                self.fault(at, "kind", &format!("expected a string, got {what}"));
                None
            }
            None => None,
        };
        let Some(kind) = kind else { return };
        let enveloped = fields
            .iter()
            .any(|(name, node)| name == "spec" && matches!(node.shape, Shape::Map(_)));
        if !enveloped {
            return self.object(kind, line, fields, None);
        }
        let id = take(&mut fields, "id");
        let spec = take(&mut fields, "spec").map(|node| node.shape);
        for (name, node) in &fields {
            if !ENVELOPE.contains(&name.as_str()) {
                self.fault(node.line, name, "unknown field beside kind, id and spec");
            }
        }
        if let Some(Shape::Map(mut spec)) = spec {
            if let Some(id) = id {
                // The id of the envelope names the resource; one inside the document must agree.
                let inner = take(&mut spec, "id").and_then(|node| text(&node));
                let outer = text(&id);
                let agrees = match (&inner, &outer) {
                    (Some(inner), Some(outer)) => {
                        outer == inner || outer.rsplit('/').next() == Some(inner)
                    }
                    _ => true,
                };
                if !agrees {
                    self.fault(id.line, "spec.id", "differs from the id beside it");
                    return;
                }
                spec.push(("id".to_owned(), id));
            }
            self.object(kind, line, spec, None);
        }
    }

    /// Lists under collection names.
    fn standalone(&mut self, line: u32, fields: Fields) {
        if fields.is_empty() {
            return;
        }
        for (name, node) in fields {
            let at = if node.line == 0 { line } else { node.line };
            if name == "plugins" || name == "stream_plugins" {
                self.parsed.notes.push(format!(
                    "{}: `{name}` is ignored: every built-in plugin is available",
                    self.source(at)
                ));
                continue;
            }
            if name.ends_with("_conf_version") {
                continue;
            }
            let Some(kind) = Kind::ALL
                .into_iter()
                .find(|kind| kind.collection() == name || alias(&name) == Some(*kind))
            else {
                let message = "expected `kind`, or a collection such as routes or upstreams";
                self.fault(at, &name, message);
                continue;
            };
            let what = node.describe();
            match node.shape {
                Shape::Scalar(Value::Null) => {}
                Shape::List(items) => self.collection(kind, items),
                _ => self.fault(at, &name, &format!("expected a list, got {what}")),
            }
        }
    }

    fn collection(&mut self, kind: Kind, items: Vec<Node>) {
        for (index, item) in items.into_iter().enumerate() {
            let path = format!("{}[{index}]", kind.collection());
            let (line, what) = (item.line, item.describe());
            let Shape::Map(mut fields) = item.shape else {
                self.fault(line, &path, &format!("expected an object, got {what}"));
                continue;
            };
            for stamp in STAMPS {
                if take(&mut fields, stamp).is_some() {
                    self.parsed.notes.push(format!(
                        "{}: `{stamp}` is ignored: the control plane sets it",
                        self.source(line)
                    ));
                }
            }
            // APISIX names what has no id by its position.
            let position = format!("arr_{}", index + 1);
            self.object(kind, line, fields, Some(position));
        }
    }

    /// One resource whose id, if it has one, stands among its fields.
    fn object(&mut self, kind: Kind, line: u32, mut fields: Fields, position: Option<String>) {
        let given = take(&mut fields, "id");
        let id = match &given {
            Some(node) => match text(node) {
                Some(id) => Some(id),
                None => {
                    let message = format!(
                        "expected a string or a whole number, got {}",
                        node.describe()
                    );
                    return self.fault(node.line, "id", &message);
                }
            },
            None => None,
        };
        let (kind, id) = match self.identity(kind, line, id, &fields, position) {
            Some(identity) => identity,
            None => return,
        };
        let node = Node {
            line,
            shape: Shape::Map(fields),
        };
        let (spec, marks) = node.into_parts();
        self.parsed.documents.push(Document {
            source: self.source(line),
            key: Key::new(kind, id),
            spec: Arc::new(spec),
            marks,
        });
    }

    /// Which resource it is.
    fn identity(
        &mut self,
        kind: Kind,
        line: u32,
        id: Option<String>,
        fields: &Fields,
        position: Option<String>,
    ) -> Option<(Kind, String)> {
        let name = fields
            .iter()
            .find(|(name, _)| name == "username")
            .and_then(|(_, node)| text(node));
        match (kind, id, name) {
            // `jack/credentials/c1`, as APISIX stores credentials.
            (Kind::Consumer | Kind::Credential, Some(id), _) if id.contains("/credentials/") => {
                Some((Kind::Credential, id.replacen("/credentials/", "/", 1)))
            }
            (Kind::Consumer, Some(id), Some(name)) if id != name => {
                let message = format!("differs from username {name:?}");
                self.fault(line, "id", &message);
                None
            }
            (Kind::Consumer, _, Some(name)) => Some((kind, name)),
            (Kind::Consumer, _, None) => {
                self.fault(line, "username", "is missing");
                None
            }
            (Kind::Credential | Kind::Secret | Kind::GraphqlCostDecoration, Some(id), _)
                if !id.contains('/') =>
            {
                let form = match kind {
                    Kind::Credential => "USERNAME/ID",
                    Kind::Secret => "MANAGER/ID",
                    _ => "SERVICE_ID/ID",
                };
                self.fault(line, "id", &format!("expected {form}, got {id:?}"));
                None
            }
            (_, Some(id), _) if !id.is_empty() => Some((kind, id)),
            (_, Some(_), _) => {
                self.fault(line, "id", "is empty");
                None
            }
            (_, None, _) => match position {
                Some(position)
                    if matches!(
                        kind,
                        Kind::Route
                            | Kind::StreamRoute
                            | Kind::Upstream
                            | Kind::Service
                            | Kind::Ssl
                            | Kind::Proto
                            | Kind::GlobalRule
                            | Kind::PluginConfig
                            | Kind::ConsumerGroup
                    ) =>
                {
                    Some((kind, position))
                }
                _ => {
                    self.fault(line, "id", &format!("is missing: which {kind} is this"));
                    None
                }
            },
        }
    }

    fn source(&self, line: u32) -> Source {
        Source {
            file: Arc::clone(self.file),
            line: (line != 0).then_some(line),
        }
    }

    fn fault(&mut self, line: u32, path: &str, message: &str) {
        self.faults.push(Fault {
            source: Some(self.source(line)),
            key: None,
            path: path.to_owned(),
            message: message.to_owned(),
        });
    }
}

/// Other names under which APISIX files list a kind.
fn alias(name: &str) -> Option<Kind> {
    match name {
        "ssl" => Some(Kind::Ssl),
        "plugin_metadatas" => Some(Kind::PluginMetadata),
        _ => None,
    }
}

fn has(fields: &Fields, name: &str) -> bool {
    fields.iter().any(|(field, _)| field == name)
}

/// Removes a field and returns it.
fn take(fields: &mut Fields, name: &str) -> Option<Node> {
    let at = fields.iter().position(|(field, _)| field == name)?;
    Some(fields.remove(at).1)
}

/// An identifier: text, or a whole number as text.
fn text(node: &Node) -> Option<String> {
    match &node.shape {
        Shape::Scalar(Value::String(text)) => Some(text.clone()),
        Shape::Scalar(Value::Number(number)) if !number.is_f64() => Some(number.to_string()),
        _ => None,
    }
}
