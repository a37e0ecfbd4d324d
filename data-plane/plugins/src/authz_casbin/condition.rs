//! When one rule is about a request: the matcher with the rule's own values in it.

use std::borrow::Cow;
use std::sync::Arc;

use super::expression::Expression;
use super::functions::{Matcher, Part, Patterns, key_get, key_get2};
use super::model::Model;

/// Something that holds for a request or does not.
pub(super) enum Condition {
    Always(bool),
    Any(Vec<Self>),
    All(Vec<Self>),
    Not(Box<Self>),
    Same(Box<Self>, Box<Self>),
    Equal(Operand, Operand),
    KeyMatch(Operand, Operand),
    Fits(Operand, Arc<Matcher>),
    HasRole {
        kind: usize,
        name: Operand,
        role: Operand,
        domain: Option<Operand>,
    },
}

/// A text or a number.
pub(super) enum Operand {
    Text(String),
    Number(f64),
    /// A value of the request, by its position.
    Request(usize),
    KeyGet(Box<Self>, Box<Self>),
    Part(Box<Self>, Box<Part>),
}

/// What an expression is.
enum Typed {
    Condition(Condition),
    Operand(Operand),
}

impl Operand {
    /// The text for this request.
    pub(super) fn text<'a>(&'a self, request: &[&'a str; 3]) -> Cow<'a, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Number(number) => Cow::Owned(number.to_string()),
            Self::Request(at) => Cow::Borrowed(request.get(*at).copied().unwrap_or_default()),
            Self::KeyGet(of, pattern) => {
                let pattern = pattern.text(request);
                Cow::Owned(key_get(&of.text(request), &pattern).to_owned())
            }
            Self::Part(of, part) => Cow::Owned(part.of(&of.text(request)).to_owned()),
        }
    }

    /// Whether both are the same for this request; numbers are, however they are written.
    pub(super) fn equals(&self, other: &Self, request: &[&str; 3]) -> bool {
        let (one, two) = (self.text(request), other.text(request));
        let numbers = matches!(self, Self::Number(_)) || matches!(other, Self::Number(_));
        match (one.trim().parse::<f64>(), two.trim().parse::<f64>()) {
            (Ok(one), Ok(two)) if numbers => one == two,
            _ => one == two,
        }
    }
}

/// Puts rules into a matcher.
pub(super) struct Lowering<'a> {
    model: &'a Model,
    patterns: &'a mut Patterns,
    /// The values of the rule; without one, each is empty.
    pub(super) rule: Option<&'a [String]>,
    /// Conditions that were made.
    pub(super) conditions: usize,
}

impl<'a> Lowering<'a> {
    /// Nothing yet, and no rule.
    pub(super) fn new(model: &'a Model, patterns: &'a mut Patterns) -> Self {
        Self {
            model,
            patterns,
            rule: None,
            conditions: 0,
        }
    }

    /// The condition that an expression is.
    ///
    /// # Errors
    /// What in it is not supported, or does not fit together.
    pub(super) fn condition(&mut self, expression: &Expression) -> Result<Condition, String> {
        match self.typed(expression)? {
            Typed::Condition(condition) => Ok(condition),
            Typed::Operand(Operand::Number(number)) => Ok(Condition::Always(number != 0.0)),
            Typed::Operand(_) => Err("expected a condition, got a text".into()),
        }
    }

    fn operand(&mut self, expression: &Expression) -> Result<Operand, String> {
        match self.typed(expression)? {
            Typed::Operand(operand) => Ok(operand),
            Typed::Condition(_) => Err("expected a text, got a condition".into()),
        }
    }

    fn conditions(&mut self, parts: &[Expression]) -> Result<Vec<Condition>, String> {
        parts.iter().map(|part| self.condition(part)).collect()
    }

    fn typed(&mut self, expression: &Expression) -> Result<Typed, String> {
        self.conditions += 1;
        let condition = match expression {
            Expression::Text(text) => return Ok(Typed::Operand(Operand::Text(text.clone()))),
            Expression::Number(number) => return Ok(Typed::Operand(Operand::Number(*number))),
            Expression::Request(name) => {
                let at = self.model.request.iter().position(|known| known == name);
                let at = at.ok_or_else(|| format!("[request_definition] has no {name}"))?;
                return Ok(Typed::Operand(Operand::Request(at)));
            }
            Expression::Policy(name) => {
                let text = self.value(name)?;
                return Ok(Typed::Operand(Operand::Text(text)));
            }
            Expression::Call(function, arguments) => return self.call(function, arguments),
            Expression::Bool(holds) => Condition::Always(*holds),
            Expression::Any(parts) => Condition::Any(self.conditions(parts)?),
            Expression::All(parts) => Condition::All(self.conditions(parts)?),
            Expression::Not(inner) => Condition::Not(Box::new(self.condition(inner)?)),
            Expression::Equal(left, right) => match (self.typed(left)?, self.typed(right)?) {
                (Typed::Operand(left), Typed::Operand(right)) => Condition::Equal(left, right),
                (Typed::Condition(left), Typed::Condition(right)) => {
                    Condition::Same(Box::new(left), Box::new(right))
                }
                _ => return Err("a text is compared with a condition".into()),
            },
            Expression::In(item, list) => {
                let parts = list
                    .iter()
                    .map(|other| Ok(Condition::Equal(self.operand(item)?, self.operand(other)?)));
                Condition::Any(parts.collect::<Result<_, String>>()?)
            }
        };
        Ok(Typed::Condition(condition))
    }

    /// A value of the rule.
    fn value(&self, name: &str) -> Result<String, String> {
        let at = self.model.policy.iter().position(|known| known == name);
        let at = at.ok_or_else(|| format!("[policy_definition] has no {name}"))?;
        let value = self.rule.and_then(|values| values.get(at));
        Ok(value.cloned().unwrap_or_default())
    }

    fn call(&mut self, function: &str, arguments: &[Expression]) -> Result<Typed, String> {
        let kind = self
            .model
            .roles
            .iter()
            .position(|(name, _)| name == function);
        let condition = match (function, arguments) {
            ("eval", [Expression::Policy(name)]) => {
                let text = self.value(name)?;
                let inner = match self.rule {
                    Some(_) => Expression::parse(&text)?,
                    None => Expression::Bool(false),
                };
                // A rule that asks for itself would never end.
                if format!("{inner:?}").contains("Call(\"eval\"") {
                    return Err("eval inside of eval".into());
                }
                self.condition(&inner)?
            }
            ("keyMatch", [text, pattern]) => {
                Condition::KeyMatch(self.operand(text)?, self.operand(pattern)?)
            }
            ("keyGet", [text, pattern]) => {
                let (text, pattern) = (self.operand(text)?, self.operand(pattern)?);
                return Ok(Typed::Operand(Operand::KeyGet(
                    Box::new(text),
                    Box::new(pattern),
                )));
            }
            ("keyGet2", [text, pattern, name]) => {
                let text = self.operand(text)?;
                let (pattern, name) = (self.fixed(function, pattern)?, self.fixed(function, name)?);
                return Ok(Typed::Operand(match key_get2(&pattern, &name)? {
                    Some(part) => Operand::Part(Box::new(text), Box::new(part)),
                    None => Operand::Text(String::new()),
                }));
            }
            (_, [text, pattern]) if Patterns::has(function) => {
                let text = self.operand(text)?;
                let pattern = self.fixed(function, pattern)?;
                let matcher = match self.patterns.get(function, &pattern) {
                    // Without a rule the pattern is none, but for those that are written out.
                    Err(_) if self.rule.is_none() => Arc::new(Matcher::Nothing),
                    matcher => matcher?,
                };
                Condition::Fits(text, matcher)
            }
            (_, [name, role, domain @ ..]) if kind.is_some() && domain.len() < 2 => {
                let domain = domain.first().map(|domain| self.operand(domain));
                Condition::HasRole {
                    kind: kind.unwrap_or_default(),
                    name: self.operand(name)?,
                    role: self.operand(role)?,
                    domain: domain.transpose()?,
                }
            }
            _ => {
                return Err(format!(
                    "there is no function {function} with {} arguments",
                    arguments.len()
                ));
            }
        };
        Ok(Typed::Condition(condition))
    }

    /// What is the same for all requests: a pattern is compiled when it is configured.
    fn fixed(&mut self, function: &str, expression: &Expression) -> Result<String, String> {
        match self.operand(expression)? {
            Operand::Text(text) => Ok(text),
            _ => Err(format!(
                "{function}: the pattern must not come from the request"
            )),
        }
    }
}
