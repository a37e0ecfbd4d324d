//! Names in a case: `<a>` is the address of node `a`, `<a.host>` and `<a.port>` (a number
//! where it stands alone) are its parts.
//! [`certificates`] has names too.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::certificates;

/// What names stand for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names(BTreeMap<String, String>);

impl Names {
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into());
    }

    fn get(&self, name: &str) -> Option<String> {
        let known = self.0.get(name).cloned();
        known.or_else(|| certificates::named(name))
    }

    /// Puts the values into a text. What stands in `<>` and is no name stays as it is: a group of
    /// a regex, for one.
    pub(crate) fn fill(&self, text: &str) -> String {
        let (mut out, mut rest) = (String::new(), text);
        while let Some(at) = rest.find('<') {
            let (before, from) = rest.split_at(at);
            out.push_str(before);
            let inside = from[1..]
                .split_once('>')
                .map(|(name, after)| (self.get(name), after));
            match inside {
                Some((Some(value), after)) if !before.ends_with(['?', 'P']) => {
                    out.push_str(&value);
                    rest = after;
                }
                _ => {
                    out.push('<');
                    rest = &from[1..];
                }
            }
        }
        out + rest
    }

    /// [`Self::fill`] for every text in a value, names of fields included.
    pub(crate) fn fill_value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) if is_port(text) => {
                let filled = self.fill(text);
                filled
                    .parse::<u16>()
                    .map_or(Value::String(filled), Value::from)
            }
            Value::String(text) => Value::String(self.fill(text)),
            Value::Array(items) => items.iter().map(|item| self.fill_value(item)).collect(),
            Value::Object(fields) => {
                let filled =
                    |(name, value): (&String, &Value)| (self.fill(name), self.fill_value(value));
                Value::Object(fields.iter().map(filled).collect::<Map<_, _>>())
            }
            other => other.clone(),
        }
    }
}

/// A port alone is a number.
fn is_port(text: &str) -> bool {
    text.starts_with('<') && text.ends_with(".port>") && text.matches('<').count() == 1
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn known_names_are_filled_in_and_all_else_stays() {
        let mut names = Names::default();
        names.set("a", "127.0.0.1:80");
        assert_eq!(
            names.fill("x<a>y<b> < <a>"),
            "x127.0.0.1:80y<b> < 127.0.0.1:80"
        );
        assert_eq!(names.fill("(?<a>.)(?P<a>.)"), "(?<a>.)(?P<a>.)");
        let filled = names.fill_value(&json!({"nodes": {"<a>": 1}, "list": ["<a>"]}));
        assert_eq!(
            filled,
            json!({"nodes": {"127.0.0.1:80": 1}, "list": ["127.0.0.1:80"]})
        );
    }
}
