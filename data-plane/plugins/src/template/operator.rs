//! Operators on two values, as Lua has them.

use std::cmp::Ordering::{self, Equal, Greater, Less};

use super::value::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Binary {
    /// # Errors
    /// The values are not of types that it takes.
    pub(super) fn apply(self, left: &Value, right: &Value) -> Result<Value, String> {
        match self {
            Self::Equal => Ok(Value::Bool(left.equals(right))),
            Self::Unequal => Ok(Value::Bool(!left.equals(right))),
            Self::Less => order(left, right).map(|order| Value::Bool(order == Some(Less))),
            Self::Greater => order(left, right).map(|order| Value::Bool(order == Some(Greater))),
            Self::LessOrEqual => {
                let order = order(left, right)?;
                Ok(Value::Bool(matches!(order, Some(Less | Equal))))
            }
            Self::GreaterOrEqual => {
                let order = order(left, right)?;
                Ok(Value::Bool(matches!(order, Some(Greater | Equal))))
            }
            _ => self.calculate(left, right),
        }
    }

    fn calculate(self, left: &Value, right: &Value) -> Result<Value, String> {
        // Integers beyond 2^53 stay exact where they can.
        if let (Value::Integer(left), Value::Integer(right)) = (left, right) {
            let exact = match self {
                Self::Add => left.checked_add(*right),
                Self::Subtract => left.checked_sub(*right),
                Self::Multiply => left.checked_mul(*right),
                _ => None,
            };
            if let Some(exact) = exact {
                return Ok(Value::Integer(exact));
            }
        }
        let number = |value: &Value| {
            value.as_number().ok_or_else(|| {
                format!(
                    "attempt to perform arithmetic on a {} value",
                    value.type_name()
                )
            })
        };
        let (left, right) = (number(left)?, number(right)?);
        Ok(Value::number(match self {
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide => left / right,
            Self::Modulo => left - (left / right).floor() * right,
            _ => left.powf(right),
        }))
    }
}

fn order(left: &Value, right: &Value) -> Result<Option<Ordering>, String> {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => Ok(Some(left.cmp(right))),
        (Value::Integer(_) | Value::Float(_), Value::Integer(_) | Value::Float(_)) => {
            Ok(left.as_number().partial_cmp(&right.as_number()))
        }
        _ => Err(format!(
            "attempt to compare {} with {}",
            left.type_name(),
            right.type_name()
        )),
    }
}
