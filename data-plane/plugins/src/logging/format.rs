//! `log_format`: constants, variables, and objects of them.

use serde_json::{Map, Value};
use weir_model::field::variable::{Var, Variable, Variables};
use weir_plugin_api::Context;

/// Objects inside of objects.
const MAX_DEPTH: usize = 5;

/// A format, taken apart once.
pub(super) struct Format(Vec<(String, Field)>);

enum Field {
    Constant(Value),
    Variable(Variable),
    Object(Format),
}

impl Format {
    /// Takes a format apart; `place` is its name in errors.
    ///
    /// # Errors
    /// Objects are nested too deep.
    pub(super) fn compile(place: &str, fields: &Map<String, Value>) -> Result<Self, String> {
        Self::at(place, fields, MAX_DEPTH)
    }

    fn at(place: &str, fields: &Map<String, Value>, left: usize) -> Result<Self, String> {
        if left == 0 {
            return Err(format!(
                "{place}: expected at most {MAX_DEPTH} objects inside each other"
            ));
        }
        let field = |(name, value): (&String, &Value)| {
            let field = match value {
                Value::String(text) => match text.strip_prefix('$') {
                    Some(variable) => Field::Variable(Variable::parse(variable)),
                    None => Field::Constant(value.clone()),
                },
                Value::Object(inner) => {
                    Field::Object(Self::at(&format!("{place}.{name}"), inner, left - 1)?)
                }
                constant => Field::Constant(constant.clone()),
            };
            Ok((name.clone(), field))
        };
        Ok(Self(
            fields.iter().map(field).collect::<Result<_, String>>()?,
        ))
    }

    /// The fields of this request; variables without a value are left out.
    pub(super) fn write(&self, context: &Context, out: &mut Map<String, Value>) {
        for (name, field) in &self.0 {
            let value = match field {
                Field::Constant(value) => Some(value.clone()),
                Field::Variable(variable) => context.get(variable).map(|value| match value {
                    Var::Text(text) => Value::from(text),
                    Var::Json(value) => value,
                }),
                Field::Object(format) => {
                    let mut inner = Map::new();
                    format.write(context, &mut inner);
                    Some(Value::Object(inner))
                }
            };
            if let Some(value) = value {
                out.insert(name.clone(), value);
            }
        }
    }
}
