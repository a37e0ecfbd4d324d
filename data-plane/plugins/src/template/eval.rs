//! Rendering a template.

use std::ops::ControlFlow;

use bytes::Bytes;
use weir_model::field::variable::{Var, Variables};

use super::ast::{Escape, Expression, Kind, Statement};
use super::call::{BRACES, HTML, escape};
use super::multipart::Multipart;
use super::value::{Fields, Value};
use super::{MAX_STEPS, Scope, Template};

/// # Errors
/// What went wrong, and in which line.
pub(super) fn render(
    template: &Template,
    scope: Scope<'_>,
    limit: usize,
) -> Result<Vec<u8>, String> {
    let mut run = Run {
        locals: vec![Value::Nil; template.locals],
        data: scope.data,
        body: scope.body,
        variables: scope.variables,
        multipart: scope.multipart,
        out: Vec::new(),
        limit,
        // Texts that are made on the way cost as much as those that are written.
        bytes: limit.saturating_mul(4),
        steps: MAX_STEPS,
        line: 1,
    };
    match run.block(&template.body) {
        Ok(_) => Ok(run.out),
        Err(reason) => Err(format!("line {}: {reason}", run.line)),
    }
}

/// The state of one rendering.
pub(super) struct Run<'a> {
    locals: Vec<Value>,
    data: Value,
    body: Option<Bytes>,
    variables: &'a dyn Variables,
    pub(super) multipart: Option<Multipart>,
    out: Vec<u8>,
    /// Bytes of the result at most.
    limit: usize,
    /// Bytes of texts that may still be made.
    bytes: usize,
    steps: u32,
    /// Line of the statement that runs.
    line: u32,
}

/// Whether the loop around is over.
type Flow = Result<ControlFlow<()>, String>;

impl Run<'_> {
    fn step(&mut self) -> Result<(), String> {
        let left = self.steps.checked_sub(1);
        self.steps = left.ok_or_else(|| format!("it takes more than {MAX_STEPS} steps"))?;
        Ok(())
    }

    pub(super) fn spend_bytes(&mut self, bytes: usize) -> Result<(), String> {
        let left = self.bytes.checked_sub(bytes);
        self.bytes = left.ok_or("it makes too many texts")?;
        Ok(())
    }

    fn write(&mut self, text: &[u8]) -> Result<(), String> {
        if self.out.len().saturating_add(text.len()) > self.limit {
            return Err(format!("the result is larger than {} bytes", self.limit));
        }
        self.out.extend_from_slice(text);
        Ok(())
    }

    fn set(&mut self, slot: usize, value: Value) {
        if let Some(local) = self.locals.get_mut(slot) {
            *local = value;
        }
    }

    fn block(&mut self, statements: &[Statement]) -> Flow {
        for statement in statements {
            self.line = statement.line;
            self.step()?;
            if self.statement(&statement.kind)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn statement(&mut self, statement: &Kind) -> Flow {
        match statement {
            Kind::Raw(text) => self.write(text.as_bytes())?,
            Kind::Output { value, escape } => self.output(value, *escape)?,
            Kind::Set { slot, value } => {
                let value = self.value(value)?;
                self.set(*slot, value);
            }
            Kind::If { arms, otherwise } => {
                for (condition, body) in arms {
                    if self.value(condition)?.is_true() {
                        return self.block(body);
                    }
                }
                return self.block(otherwise);
            }
            Kind::Each { .. } => self.each(statement)?,
            Kind::Count {
                slot,
                from,
                to,
                step,
                body,
            } => {
                let from = self.number(from)?;
                let to = self.number(to)?;
                let step = match step {
                    Some(step) => self.number(step)?,
                    None => 1.0,
                };
                self.count(*slot, (from, to, step), body)?;
            }
            Kind::Call(call) => _ = self.value(call)?,
            Kind::Break => return Ok(ControlFlow::Break(())),
        }
        Ok(ControlFlow::Continue(()))
    }

    fn each(&mut self, statement: &Kind) -> Result<(), String> {
        let Kind::Each {
            key,
            value,
            of,
            numbered,
            body,
        } = statement
        else {
            return Ok(());
        };
        let name = of.name();
        let entries: Box<dyn Iterator<Item = (Value, Value)>> = match self.value(of)? {
            Value::List(items) => Box::new((0..items.len()).map(move |at| {
                let place = Value::Integer(at as i64 + 1);
                (place, items.get(at).cloned().unwrap_or_default())
            })),
            Value::Object(fields) if *numbered => Box::new((1_i64..).map_while(move |place| {
                let item = fields.get(&*place.to_string())?.clone();
                Some((Value::Integer(place), item))
            })),
            Value::Object(fields) => Box::new((0..fields.len()).map_while(move |at| {
                let (name, item) = fields.get_index(at)?;
                Some((Value::text(name.as_bytes()), item.clone()))
            })),
            other => {
                return Err(format!(
                    "expected a table to go through, got {}{name}",
                    other.type_name()
                ));
            }
        };
        for (place, item) in entries {
            self.step()?;
            self.set(*key, place);
            if let Some(slot) = value {
                self.set(*slot, item);
            }
            if self.block(body)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn count(
        &mut self,
        slot: usize,
        (from, to, step): (f64, f64, f64),
        body: &[Statement],
    ) -> Result<(), String> {
        if step == 0.0 || !(from.is_finite() && step.is_finite()) {
            return Err("'for' needs a beginning, and a step other than 0".to_owned());
        }
        let mut at = from;
        while (step > 0.0 && at <= to) || (step < 0.0 && at >= to) {
            self.step()?;
            self.set(slot, Value::number(at));
            if self.block(body)?.is_break() {
                break;
            }
            at += step;
        }
        Ok(())
    }

    fn output(&mut self, value: &Expression, how: Escape) -> Result<(), String> {
        let found = self.value(value)?;
        let text = self
            .shown(&found)
            .map_err(|reason| format!("{reason}{}", value.name()))?;
        let is_text = matches!(found, Value::Text(_));
        match how {
            Escape::Html if is_text => self.write(&escape(&text, &HTML)),
            Escape::Braces if is_text => self.write(&escape(&text, &BRACES)),
            _ => self.write(&text),
        }
    }

    /// A value as it is written.
    ///
    /// # Errors
    /// It is a list or an object.
    pub(super) fn shown(&self, value: &Value) -> Result<std::sync::Arc<[u8]>, String> {
        match value {
            Value::Nil | Value::Null => Ok([].into()),
            Value::Bool(true) => Ok((*b"true").into()),
            Value::Bool(false) => Ok((*b"false").into()),
            other => other.as_text().ok_or_else(|| {
                "attempt to write a table value, where _escape_json makes a text of one".to_owned()
            }),
        }
    }

    fn number(&mut self, expression: &Expression) -> Result<f64, String> {
        let value = self.value(expression)?;
        let number = value.as_number();
        number.ok_or_else(|| format!("'for' needs numbers, got {}", value.type_name()))
    }

    pub(super) fn value(&mut self, expression: &Expression) -> Result<Value, String> {
        self.step()?;
        Ok(match expression {
            Expression::Nil | Expression::Module(_) => Value::Nil,
            Expression::Bool(value) => Value::Bool(*value),
            Expression::Number(number) => Value::number(*number),
            Expression::Text(text) => Value::Text(std::sync::Arc::clone(text)),
            Expression::Local(slot, _) => self.locals.get(*slot).cloned().unwrap_or_default(),
            Expression::Field(name) => match &self.data {
                Value::Object(fields) => fields.get(name).cloned().unwrap_or_default(),
                _ => Value::Nil,
            },
            Expression::Context => match &self.data {
                Value::Object(_) | Value::List(_) => self.data.clone(),
                _ => Value::object(Fields::new()),
            },
            Expression::Body => match &self.body {
                Some(body) => {
                    let text = Value::text(body);
                    self.spend_bytes(body.len())?;
                    text
                }
                None => Value::Nil,
            },
            Expression::Multipart => match self.multipart {
                Some(_) => Value::Multipart,
                None => Value::Nil,
            },
            Expression::Variable(variable) => match self.variables.get(variable) {
                Some(Var::Text(text)) => Value::text(text.as_bytes()),
                Some(Var::Json(value)) => Value::from(value),
                None => Value::Nil,
            },
            Expression::Index(of, at) => {
                let value = self.value(of)?;
                let at = self.value(at)?;
                value.at(&at, || of.name())?
            }
            Expression::Call(function, arguments) => {
                let arguments = self.values(arguments)?;
                self.call(*function, arguments)?
            }
            Expression::Method(of, method, arguments) => {
                let of = self.value(of)?;
                let arguments = self.values(arguments)?;
                self.method(of, *method, arguments)?
            }
            Expression::Gsub(gsub) => {
                let subject = self.textual(&gsub.subject)?;
                let replacement = self.textual(&gsub.replacement)?;
                let limit = match &gsub.limit {
                    Some(limit) => Some(self.number(limit)?.max(0.0) as usize),
                    None => None,
                };
                let made = gsub.run(&subject, &replacement, limit, self.bytes)?;
                self.spend_bytes(made.len())?;
                Value::text(made)
            }
            Expression::Not(of) => Value::Bool(!self.value(of)?.is_true()),
            Expression::Negate(of) => {
                let value = self.value(of)?;
                super::operator::Binary::Subtract.apply(&Value::Integer(0), &value)?
            }
            Expression::Length(of) => Value::Integer(self.value(of)?.length()? as i64),
            Expression::And(left, right) => match self.value(left)? {
                left if left.is_true() => self.value(right)?,
                left => left,
            },
            Expression::Or(left, right) => match self.value(left)? {
                left if left.is_true() => left,
                _ => self.value(right)?,
            },
            Expression::Binary(operator, left, right) => {
                let left = self.value(left)?;
                let right = self.value(right)?;
                operator.apply(&left, &right)?
            }
            Expression::Concat(parts) => {
                let mut text = Vec::new();
                for part in parts {
                    text.extend_from_slice(&self.textual(part)?);
                }
                self.spend_bytes(text.len())?;
                Value::text(text)
            }
        })
    }

    fn values(&mut self, expressions: &[Expression]) -> Result<Vec<Value>, String> {
        expressions.iter().map(|part| self.value(part)).collect()
    }

    /// The text of a value that has one.
    fn textual(&mut self, expression: &Expression) -> Result<std::sync::Arc<[u8]>, String> {
        let value = self.value(expression)?;
        value.as_text().ok_or_else(|| {
            format!(
                "attempt to concatenate a {} value{}",
                value.type_name(),
                expression.name()
            )
        })
    }
}
