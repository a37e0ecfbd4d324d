//! From JSON to a compiled expression.

use serde_json::Value;

use super::condition::{Condition, Operand, Ordering, Test};
use super::{Error, Group, Term, Variable};
use crate::field::pattern::Pattern;
use crate::field::{address, number};

/// Expressions nested deeper than this are refused.
const MAX_DEPTH: usize = 32;

/// Operators as they are written in lower case.
const OPERATORS: [&str; 11] = [
    "==", "~=", ">", ">=", "<", "<=", "~~", "~*", "in", "has", "ipmatch",
];

pub(super) fn expression(value: &Value) -> Result<Group, Error> {
    let Some(rules) = list(value) else {
        return Err(whole(format!(
            "expected an array of conditions, got {value}"
        )));
    };
    match rules.first() {
        None => Ok(group(false, false, Vec::new())),
        Some(Value::Array(_) | Value::Object(_)) => conjunction(rules, 0),
        Some(first) => match logic(first) {
            Some((any, negated)) => connected(rules, any, negated, 0),
            None => Err(whole("rule should be wrapped inside brackets")),
        },
    }
}

fn term(value: &Value, depth: usize) -> Result<Term, Error> {
    if depth > MAX_DEPTH {
        return Err(whole(format!(
            "expression is nested deeper than {MAX_DEPTH} levels"
        )));
    }
    let Some(rules) = list(value) else {
        return Err(whole(format!(
            "expected a condition in brackets, got {value}"
        )));
    };
    match rules.first() {
        None => Err(whole("rule too short")),
        Some(Value::Array(_) | Value::Object(_)) => conjunction(rules, depth).map(Term::Group),
        Some(first) => match logic(first) {
            Some((any, negated)) => connected(rules, any, negated, depth).map(Term::Group),
            None => condition(rules).map(Term::Condition).map_err(whole),
        },
    }
}

fn conjunction(rules: &[Value], depth: usize) -> Result<Group, Error> {
    Ok(group(false, false, terms(rules, 0, depth)?))
}

fn connected(rules: &[Value], any: bool, negated: bool, depth: usize) -> Result<Group, Error> {
    let rest = rules.get(1..).unwrap_or_default();
    if rest.len() < 2 {
        return Err(whole("rule too short"));
    }
    Ok(Group {
        named: true,
        ..group(any, negated, terms(rest, 1, depth)?)
    })
}

/// Compiles terms; `first` is the position of the first one among its neighbours.
fn terms(rules: &[Value], first: usize, depth: usize) -> Result<Vec<Term>, Error> {
    let rules = rules.iter().zip(first..);
    rules
        .map(|(rule, position)| {
            term(rule, depth + 1).map_err(|error| Error {
                path: format!("[{position}]{}", error.path),
                ..error
            })
        })
        .collect()
}

/// An error that is about the part at hand as a whole.
fn whole(message: impl Into<String>) -> Error {
    Error {
        path: String::new(),
        message: message.into(),
    }
}

fn group(any: bool, negated: bool, terms: Vec<Term>) -> Group {
    Group {
        any,
        negated,
        named: false,
        terms,
    }
}

/// An array; an empty object counts as an empty array, since the two are one thing in Lua.
fn list(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(items) => Some(items),
        Value::Object(fields) if fields.is_empty() => Some(&[]),
        _ => None,
    }
}

fn logic(first: &Value) -> Option<(bool, bool)> {
    match first.as_str()?.to_ascii_uppercase().as_str() {
        "AND" => Some((false, false)),
        "OR" => Some((true, false)),
        "!AND" => Some((false, true)),
        "!OR" => Some((true, true)),
        _ => None,
    }
}

fn condition(rule: &[Value]) -> Result<Condition, String> {
    let invalid = || "invalid expression".to_owned();
    let (variable, negated, operator, operand) = match rule {
        [variable, not, operator, operand] => {
            if not.as_str() != Some("!") {
                return Err("bad 'not' expression".to_owned());
            }
            (variable, true, operator, Some(operand))
        }
        [variable, operator, rest @ ..] => (variable, false, operator, rest.first()),
        _ => return Err(invalid()),
    };
    let name = match variable {
        Value::String(name) => name.clone(),
        Value::Number(name) => number::print(name),
        _ => return Err(invalid()),
    };
    let operator = match operator {
        Value::String(operator) => operator.to_ascii_lowercase(),
        Value::Number(operator) => number::print(operator),
        _ => return Err(invalid()),
    };
    let test = match operand {
        // `["arg_a", "x"]` means `==`; the library lower-cases the value on the way.
        None if !OPERATORS.contains(&operator.as_str()) => Test::Equal(Operand::Text(operator)),
        operand => test(&operator, operand.unwrap_or(&Value::Null))?,
    };
    Ok(Condition {
        variable: Variable::known(&name)?,
        negated,
        test,
    })
}

fn test(operator: &str, operand: &Value) -> Result<Test, String> {
    let order = |ordering| Test::Order(ordering, as_number(operand));
    Ok(match operator {
        "==" => Test::Equal(Operand::of(operand)),
        "~=" => Test::NotEqual(Operand::of(operand)),
        ">" => order(Ordering::Greater),
        ">=" => order(Ordering::GreaterOrEqual),
        "<" => order(Ordering::Less),
        "<=" => order(Ordering::LessOrEqual),
        "~~" => Test::Matches(Pattern::parse(&regex_source(operand)?)?),
        "~*" => Test::Matches(Pattern::parse_ignoring_case(&regex_source(operand)?)?),
        "in" => Test::In(operand.as_array().cloned().unwrap_or_default()),
        "has" => Test::Has(operand.clone()),
        "ipmatch" => Test::IpMatch(networks(operand)?),
        other => return Err(format!("invalid operator '{other}'")),
    })
}

fn as_number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => number::parse(text),
        _ => None,
    }
}

fn regex_source(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number::print(number)),
        other => Err(format!("expected a regex as text, got {other}")),
    }
}

fn networks(value: &Value) -> Result<Vec<ipnet::IpNet>, String> {
    let items = match value {
        Value::Array(items) => items.as_slice(),
        single => std::slice::from_ref(single),
    };
    items
        .iter()
        .map(|item| {
            let text = item.as_str();
            text.and_then(address::parse).ok_or_else(|| {
                let shown = text.map_or_else(|| item.to_string(), str::to_owned);
                format!("invalid ip address: {shown}")
            })
        })
        .collect()
}
