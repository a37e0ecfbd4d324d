//! A schema taken apart once: what to check, in the order in which it is checked.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::quote::quote;
use crate::field::pattern::Pattern;

/// A schema ready to check documents with.
#[derive(Debug)]
pub struct Compiled {
    pub(super) root: Node,
}

#[derive(Debug, Default)]
pub(super) struct Node {
    /// `true` or `false` instead of a schema.
    pub(super) constant: Option<bool>,
    pub(super) types: Vec<Type>,
    /// What an error says that was expected.
    pub(super) expected: String,
    pub(super) object: Option<Box<ObjectRules>>,
    /// `required: []`, which APISIX's validator reads as "must be empty".
    pub(super) must_be_empty: bool,
    pub(super) array: Option<Box<ArrayRules>>,
    pub(super) string: Option<Box<StringRules>>,
    pub(super) number: Option<Box<NumberRules>>,
    pub(super) choices: Option<Vec<Value>>,
    pub(super) all_of: Vec<Node>,
    pub(super) any_of: Vec<Node>,
    pub(super) any_of_error: String,
    pub(super) one_of: Vec<Node>,
    pub(super) not: Option<Box<Node>>,
    pub(super) condition: Option<Box<Condition>>,
    pub(super) format: Option<Format>,
    pub(super) equal_to: Option<Value>,
    pub(super) contains: Option<Box<Node>>,
    /// Whether checking may write into the document.
    pub(super) writes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Object,
    Array,
    Table,
    String,
    Number,
    Integer,
    Boolean,
    Null,
}

#[derive(Debug)]
pub(super) struct ObjectRules {
    pub(super) properties: Vec<Property>,
    /// Required names that are no declared property.
    pub(super) required: Vec<String>,
    pub(super) dependencies: Vec<Dependency>,
    pub(super) patterns: Vec<(String, Result<Pattern, String>, Node)>,
    pub(super) declared: HashSet<String>,
    pub(super) additional: Additional,
    pub(super) min: Option<u64>,
    pub(super) max: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Property {
    pub(super) name: String,
    pub(super) node: Node,
    pub(super) required: bool,
    pub(super) default: Option<Value>,
    pub(super) dependency: Option<Dependency>,
}

#[derive(Debug)]
pub(super) struct Dependency {
    pub(super) name: String,
    pub(super) needs: Needs,
}

#[derive(Debug)]
pub(super) enum Needs {
    Names(Vec<String>),
    Schema(Box<Node>),
}

#[derive(Debug)]
pub(super) enum Additional {
    Allowed,
    Forbidden,
    Schema(Box<Node>),
}

#[derive(Debug)]
pub(super) struct ArrayRules {
    pub(super) min: Option<u64>,
    pub(super) max: Option<u64>,
    pub(super) unique: bool,
    pub(super) items: Items,
}

#[derive(Debug)]
pub(super) enum Items {
    Any,
    Each(Box<Node>),
    Tuple(Vec<Node>),
}

#[derive(Debug)]
pub(super) struct StringRules {
    /// Whether the text may be a reference to a secret, to which the other rules do not apply: a keyword
    /// of ours (`"reference": true`).
    pub(super) reference: bool,
    pub(super) min: Option<u64>,
    pub(super) max: Option<u64>,
    /// The source, and the compiled pattern or why it does not compile.
    pub(super) pattern: Option<(String, Result<Pattern, String>)>,
}

#[derive(Debug)]
pub(super) struct NumberRules {
    pub(super) minimum: Option<f64>,
    pub(super) exclusive_minimum: Option<f64>,
    pub(super) maximum: Option<f64>,
    pub(super) exclusive_maximum: Option<f64>,
    pub(super) multiple_of: Option<f64>,
}

#[derive(Debug)]
pub(super) struct Condition {
    pub(super) condition: Node,
    pub(super) then: Option<Node>,
    pub(super) otherwise: Option<Node>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Ipv4,
    Ipv6,
}

impl Compiled {
    /// Compiles a schema. Keywords outside the subset are ignored, as the standard asks.
    #[must_use]
    pub fn new(schema: &Value) -> Self {
        Self { root: node(schema) }
    }
}

fn node(schema: &Value) -> Node {
    let fields = match schema {
        Value::Bool(constant) => {
            return Node {
                constant: Some(*constant),
                ..Node::default()
            };
        }
        Value::Object(fields) => fields,
        _ => return Node::default(),
    };
    let (types, expected) = types(fields.get("type"));
    let any_of = list(fields, "anyOf");
    let mut node = Node {
        constant: None,
        types,
        expected,
        object: object(fields).map(Box::new),
        must_be_empty: fields.get("required") == Some(&Value::Array(Vec::new())),
        array: array(fields).map(Box::new),
        string: string(fields).map(Box::new),
        number: number(fields).map(Box::new),
        choices: fields.get("enum").and_then(Value::as_array).cloned(),
        all_of: nodes(list(fields, "allOf")),
        any_of: nodes(any_of),
        any_of_error: any_of_error(any_of),
        one_of: nodes(list(fields, "oneOf")),
        not: boxed(fields, "not"),
        condition: condition(fields).map(Box::new),
        format: match fields.get("format").and_then(Value::as_str) {
            Some("ipv4") => Some(Format::Ipv4),
            Some("ipv6") => Some(Format::Ipv6),
            _ => None,
        },
        equal_to: fields.get("const").cloned(),
        contains: boxed(fields, "contains"),
        writes: false,
    };
    node.writes = writes(&node);
    node
}

fn types(value: Option<&Value>) -> (Vec<Type>, String) {
    match value {
        Some(Value::String(name)) => (type_of(name).into_iter().collect(), name.clone()),
        Some(Value::Array(names)) => {
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            let types = names.iter().filter_map(|name| type_of(name)).collect();
            (types, format!("one of {}", names.join(", ")))
        }
        _ => (Vec::new(), String::new()),
    }
}

fn type_of(name: &str) -> Option<Type> {
    Some(match name {
        "object" => Type::Object,
        "array" => Type::Array,
        "table" => Type::Table,
        "string" => Type::String,
        "number" => Type::Number,
        "integer" => Type::Integer,
        "boolean" => Type::Boolean,
        "null" => Type::Null,
        _ => return None,
    })
}

fn list<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a [Value] {
    let items = fields.get(name).and_then(Value::as_array);
    items.map(Vec::as_slice).unwrap_or_default()
}

fn names(fields: &Map<String, Value>, name: &str) -> Vec<String> {
    let names = list(fields, name).iter().filter_map(Value::as_str);
    names.map(str::to_owned).collect()
}

fn nodes(schemas: &[Value]) -> Vec<Node> {
    schemas.iter().map(node).collect()
}

fn boxed(fields: &Map<String, Value>, name: &str) -> Option<Box<Node>> {
    fields.get(name).map(|schema| Box::new(node(schema)))
}

fn count(fields: &Map<String, Value>, name: &str) -> Option<u64> {
    fields.get(name).and_then(Value::as_u64)
}

fn object(fields: &Map<String, Value>) -> Option<ObjectRules> {
    const KEYWORDS: [&str; 7] = [
        "properties",
        "additionalProperties",
        "patternProperties",
        "minProperties",
        "maxProperties",
        "dependencies",
        "required",
    ];
    if !KEYWORDS.iter().any(|keyword| fields.contains_key(*keyword)) {
        return None;
    }
    let empty = Map::new();
    let map = |name| {
        fields
            .get(name)
            .and_then(Value::as_object)
            .unwrap_or(&empty)
    };
    let declared = map("properties");
    let dependencies = map("dependencies");
    let required = names(fields, "required");
    let properties = declared.iter().map(|(name, schema)| Property {
        name: name.clone(),
        node: node(schema),
        required: required.contains(name),
        default: schema
            .get("default")
            .filter(|value| !value.is_null())
            .cloned(),
        dependency: dependencies.get(name).map(|needs| dependency(name, needs)),
    });
    let rest = dependencies
        .iter()
        .filter(|(name, _)| !declared.contains_key(*name));
    let patterns = map("patternProperties").iter();
    Some(ObjectRules {
        properties: properties.collect(),
        required: required
            .iter()
            .filter(|name| !declared.contains_key(*name))
            .cloned()
            .collect(),
        dependencies: rest.map(|(name, needs)| dependency(name, needs)).collect(),
        patterns: patterns
            .map(|(source, schema)| (source.clone(), Pattern::parse(source), node(schema)))
            .collect(),
        declared: declared.keys().cloned().collect(),
        additional: match fields.get("additionalProperties") {
            Some(Value::Bool(false)) => Additional::Forbidden,
            Some(schema @ Value::Object(_)) => Additional::Schema(Box::new(node(schema))),
            _ => Additional::Allowed,
        },
        min: count(fields, "minProperties"),
        max: count(fields, "maxProperties"),
    })
}

fn dependency(name: &str, needs: &Value) -> Dependency {
    let needs = match needs {
        Value::Array(names) => {
            let names = names.iter().filter_map(Value::as_str);
            Needs::Names(names.map(str::to_owned).collect())
        }
        schema => Needs::Schema(Box::new(node(schema))),
    };
    Dependency {
        name: name.to_owned(),
        needs,
    }
}

fn array(fields: &Map<String, Value>) -> Option<ArrayRules> {
    const KEYWORDS: [&str; 4] = ["items", "minItems", "maxItems", "uniqueItems"];
    if !KEYWORDS.iter().any(|keyword| fields.contains_key(*keyword)) {
        return None;
    }
    Some(ArrayRules {
        min: count(fields, "minItems"),
        max: count(fields, "maxItems"),
        unique: fields.get("uniqueItems") == Some(&Value::Bool(true)),
        items: match fields.get("items") {
            None => Items::Any,
            Some(Value::Array(schemas)) if !schemas.is_empty() => Items::Tuple(nodes(schemas)),
            Some(schema) => Items::Each(Box::new(node(schema))),
        },
    })
}

fn string(fields: &Map<String, Value>) -> Option<StringRules> {
    let pattern = fields.get("pattern").and_then(Value::as_str);
    let rules = StringRules {
        reference: fields.get("reference") == Some(&Value::Bool(true)),
        min: count(fields, "minLength"),
        max: count(fields, "maxLength"),
        pattern: pattern.map(|source| (source.to_owned(), Pattern::parse(source))),
    };
    let any = rules.min.is_some() || rules.max.is_some() || rules.pattern.is_some();
    any.then_some(rules)
}

fn number(fields: &Map<String, Value>) -> Option<NumberRules> {
    let bound = |name| fields.get(name).and_then(Value::as_f64);
    let rules = NumberRules {
        minimum: bound("minimum"),
        exclusive_minimum: bound("exclusiveMinimum"),
        maximum: bound("maximum"),
        exclusive_maximum: bound("exclusiveMaximum"),
        multiple_of: bound("multipleOf"),
    };
    let bounds = [
        rules.minimum,
        rules.exclusive_minimum,
        rules.maximum,
        rules.exclusive_maximum,
        rules.multiple_of,
    ];
    bounds.iter().any(Option::is_some).then_some(rules)
}

fn condition(fields: &Map<String, Value>) -> Option<Condition> {
    Some(Condition {
        condition: node(fields.get("if")?),
        then: fields.get("then").map(node),
        otherwise: fields.get("else").map(node),
    })
}

/// `object matches none of the required: ["a"] or ["a","b"]`.
fn any_of_error(branches: &[Value]) -> String {
    let required: Vec<String> = branches
        .iter()
        .filter_map(|branch| branch.get("required"))
        .map(|names| match names.as_array() {
            Some(names) => {
                let names = names.iter().filter_map(Value::as_str).map(quote);
                format!("[{}]", names.collect::<Vec<_>>().join(","))
            }
            None => names.to_string(),
        })
        .collect();
    let text = "object matches none of the required";
    if required.is_empty() {
        text.to_owned()
    } else {
        format!("{text}: {}", required.join(" or "))
    }
}

/// Whether a check with this node may change a document: by a default, by making an integer of a
/// float, or by settling whether something empty is an object or an array.
fn writes(node: &Node) -> bool {
    let plain = |types: &[Type]| {
        types
            .iter()
            .any(|t| matches!(t, Type::Integer | Type::Object | Type::Array))
    };
    let inner = |node: &Node| node.writes;
    let object = node.object.as_ref().is_some_and(|rules| {
        let property = |property: &Property| property.default.is_some() || property.node.writes;
        rules.properties.iter().any(property)
            || rules.patterns.iter().any(|(_, _, node)| node.writes)
            || matches!(&rules.additional, Additional::Schema(node) if node.writes)
            || rules
                .dependencies
                .iter()
                .any(|d| matches!(&d.needs, Needs::Schema(node) if node.writes))
    });
    let array = node.array.as_ref().is_some_and(|rules| match &rules.items {
        Items::Any => false,
        Items::Each(node) => node.writes,
        Items::Tuple(nodes) => nodes.iter().any(inner),
    });
    let condition = node.condition.as_ref().is_some_and(|condition| {
        condition.then.as_ref().is_some_and(inner)
            || condition.otherwise.as_ref().is_some_and(inner)
    });
    plain(&node.types)
        || object
        || array
        || condition
        || node.all_of.iter().any(inner)
        || node.any_of.iter().any(inner)
        || node.one_of.iter().any(inner)
}
