//! `log_format`: constants, variables, and objects of them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use weir_model::field::template::Template;
use weir_model::field::variable::{Var, Variable, Variables};

/// Objects inside of objects.
const MAX_DEPTH: usize = 5;

/// A format, taken apart once.
pub(crate) struct Format(Vec<(String, Field)>);

enum Field {
    Constant(Value),
    Variable(Variable),
    Text(Template),
    Object(Format),
}

impl Format {
    /// Takes a format apart; `place` is its name in errors.
    ///
    /// # Errors
    /// Objects are nested too deep.
    pub(crate) fn compile(place: &str, fields: &Map<String, Value>) -> Result<Self, String> {
        Self::at(place, fields, MAX_DEPTH)
    }

    /// Fields that are texts with variables, anywhere inside; those that become empty are left out.
    #[must_use]
    pub(crate) fn of_texts(fields: &BTreeMap<String, String>) -> Self {
        let field = |(name, text): (&String, &String)| {
            let text = Field::Text(Template::parse(text));
            (name.clone(), text)
        };
        Self(fields.iter().map(field).collect())
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

    /// The fields of this request or stream; variables without a value are left out.
    pub(crate) fn write(&self, context: &dyn Variables, out: &mut Map<String, Value>) {
        for (name, field) in &self.0 {
            let value = match field {
                Field::Constant(value) => Some(value.clone()),
                Field::Variable(variable) => context.get(variable).map(|value| match value {
                    Var::Text(text) => Value::from(text),
                    Var::Json(value) => value,
                }),
                Field::Text(template) => {
                    let text = template.render(context).text;
                    (!text.is_empty()).then(|| Value::from(text))
                }
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
