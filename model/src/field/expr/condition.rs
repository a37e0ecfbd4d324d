//! One condition: a variable, an operator and what to compare with.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use super::{Var, Variable, Variables};
use crate::field::number;
use crate::field::pattern::Pattern;

/// A condition on one variable.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Condition {
    pub(super) variable: Variable,
    pub(super) negated: bool,
    pub(super) test: Test,
}

/// An operator together with its right side.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    Equal(Operand),
    NotEqual(Operand),
    /// A numeric comparison; `None` when the right side is not a number, which never holds.
    Order(Ordering, Option<f64>),
    Matches(Pattern),
    In(Vec<Value>),
    Has(Value),
    IpMatch(Vec<IpNet>),
}

/// Right side of `==` and `~=`.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    Absent,
    Number(f64),
    Text(String),
    Boolean(bool),
    /// Something that no variable can be equal to: a list, an object.
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ordering {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operand {
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Operand::Absent,
            Value::Number(number) => number.as_f64().map_or(Operand::Never, Operand::Number),
            Value::String(text) => Operand::Text(text.clone()),
            Value::Bool(value) => Operand::Boolean(*value),
            Value::Array(_) | Value::Object(_) => Operand::Never,
        }
    }

    /// `None` when the variable cannot be converted to what it is compared with.
    fn equals(&self, value: Option<&Var<'_>>) -> Option<bool> {
        match (self, value) {
            (Operand::Absent, value) => Some(value.is_none()),
            (Operand::Number(number), value) => numeric(value).map(|value| value == *number),
            (Operand::Text(text), Some(Var::Text(value))) => Some(text == value),
            (Operand::Boolean(wanted), Some(Var::Json(Value::Bool(value)))) => {
                Some(wanted == value)
            }
            (Operand::Text(_) | Operand::Boolean(_) | Operand::Never, _) => Some(false),
        }
    }
}

impl Condition {
    pub(super) fn variable(&self) -> &Variable {
        &self.variable
    }

    pub(super) fn eval(&self, variables: &dyn Variables) -> bool {
        let value = variables.get(&self.variable);
        self.test.holds(value.as_ref()) != self.negated
    }
}

impl Test {
    fn holds(&self, value: Option<&Var<'_>>) -> bool {
        match self {
            Test::Equal(operand) => operand.equals(value).unwrap_or(false),
            Test::NotEqual(operand) => !operand.equals(value).unwrap_or(false),
            Test::Order(ordering, bound) => match (numeric(value), bound) {
                (Some(value), Some(bound)) => ordering.holds(value, *bound),
                _ => false,
            },
            Test::Matches(pattern) => match value {
                Some(Var::Text(text)) => pattern.is_match(text),
                Some(Var::Json(Value::Number(number))) => pattern.is_match(&number::print(number)),
                _ => false,
            },
            Test::In(items) => match value {
                Some(Var::Text(text)) => items.iter().any(|item| item.as_str() == Some(text)),
                Some(Var::Json(value)) => items.iter().any(|item| same(value, item)),
                None => false,
            },
            Test::Has(item) => match value {
                Some(Var::Json(Value::Array(values))) => {
                    values.iter().any(|value| same(value, item))
                }
                _ => false,
            },
            Test::IpMatch(networks) => text(value)
                .and_then(|text| text.parse::<IpAddr>().ok())
                .is_some_and(|address| networks.iter().any(|network| network.contains(&address))),
        }
    }
}

impl Ordering {
    fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Ordering::Less => value < bound,
            Ordering::LessOrEqual => value <= bound,
            Ordering::Greater => value > bound,
            Ordering::GreaterOrEqual => value >= bound,
        }
    }
}

fn text<'a>(value: Option<&'a Var<'_>>) -> Option<&'a str> {
    match value {
        Some(Var::Text(text)) => Some(text),
        _ => None,
    }
}

/// The number that a variable is, or that its text says.
fn numeric(value: Option<&Var<'_>>) -> Option<f64> {
    match value? {
        Var::Text(text) => number::parse(text),
        Var::Json(Value::Number(number)) => number.as_f64(),
        Var::Json(_) => None,
    }
}

/// Whether two values are the same text, number or boolean; nothing is converted.
fn same(left: &Value, right: &Value) -> bool {
    let comparable = matches!(left, Value::String(_) | Value::Number(_) | Value::Bool(_));
    comparable && number::equal(left, right)
}
