//! The first operation of a GraphQL document: what kind it is, its name, what it asks for.

use std::borrow::Cow;

use apollo_parser::cst::{Definition, OperationDefinition, Selection};
use apollo_parser::{Parser, SyntaxTree};
use serde_json::Value;
use weir_model::field::body_path::BodyPath;

/// Levels of nesting; deeper documents are not looked at.
const MAX_DEPTH: usize = 128;
/// Words and signs; longer documents are not looked at.
const MAX_TOKENS: usize = 100_000;

/// Facts of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operation {
    /// `query`, `mutation` or `subscription`.
    pub(super) kind: &'static str,
    /// Empty when it has none.
    pub(super) name: String,
    /// Names of the fields at the top, as the schema has them (no aliases).
    pub(super) root_fields: Vec<String>,
}

/// The query text of a POST body: the body itself, or the member `query` of a JSON body.
pub(super) fn query<'b>(body: &'b [u8], content_type: &str) -> Option<Cow<'b, str>> {
    if content_type != "application/json" {
        return std::str::from_utf8(body).ok().map(Cow::Borrowed);
    }
    let path = BodyPath::parse("query").ok()?;
    match path.in_json(body).ok()?? {
        Value::String(text) => Some(Cow::Owned(text)),
        _ => None,
    }
}

/// How many definitions a document has: operations, fragments and others.
///
/// # Errors
/// It is no document.
pub fn definitions(text: &str) -> Result<usize, String> {
    let document = parsed(text);
    if let Some(error) = document.errors().next() {
        return Err(error.message().to_owned());
    }
    match document.document().definitions().count() {
        0 => Err("it is empty".to_owned()),
        count => Ok(count),
    }
}

fn parsed(text: &str) -> SyntaxTree {
    Parser::new(text)
        .recursion_limit(MAX_DEPTH)
        .token_limit(MAX_TOKENS)
        .parse()
}

impl Operation {
    /// Reads a document; `None` when it is not one, or when an operation does not stand first.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let document = parsed(text);
        if document.errors().len() > 0 {
            return None;
        }
        match document.document().definitions().next()? {
            Definition::OperationDefinition(operation) => Some(Self::of(&operation)),
            _ => None,
        }
    }

    fn of(operation: &OperationDefinition) -> Self {
        let kind = operation.operation_type();
        let kind = kind.map_or("query", |kind| {
            if kind.mutation_token().is_some() {
                "mutation"
            } else if kind.subscription_token().is_some() {
                "subscription"
            } else {
                "query"
            }
        });
        let selections = operation.selection_set();
        let selections = selections.iter().flat_map(|set| set.selections());
        let root_fields = selections.filter_map(|selection| match selection {
            Selection::Field(field) => Some(field.name()?.text().to_string()),
            Selection::FragmentSpread(spread) => {
                Some(spread.fragment_name()?.name()?.text().to_string())
            }
            Selection::InlineFragment(_) => None,
        });
        Self {
            kind,
            name: operation
                .name()
                .map(|name| name.text().to_string())
                .unwrap_or_default(),
            root_fields: root_fields.collect(),
        }
    }
}
