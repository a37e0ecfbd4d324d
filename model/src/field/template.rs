//! Texts with variables: `$name`, `${name}` and `${name ?? default}`. A backslash before the `$`
//! keeps it, as in APISIX, and stays in the text.

use crate::field::variable::{Variable, Variables};

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable(Variable, Option<String>),
}

/// A text with variables, taken apart once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    source: String,
    pieces: Vec<Piece>,
}

/// What a template became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The text; variables without a value are empty.
    pub text: String,
    /// How many variables had a value. 0 tells the caller to fall back.
    pub resolved: usize,
}

impl Template {
    /// Takes a text apart. Every text is a template: a `$` without a name behind it is text.
    #[must_use]
    pub fn parse(source: &str) -> Self {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = source;
        while let Some(at) = rest.find('$') {
            let (before, behind) = rest.split_at(at);
            let behind = behind.get(1..).unwrap_or_default();
            let escaped = before.ends_with('\\') || (before.is_empty() && literal.ends_with('\\'));
            literal.push_str(before);
            if let Some((variable, length)) = variable(behind).filter(|_| !escaped) {
                if !literal.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut literal)));
                }
                pieces.push(variable);
                rest = behind.get(length..).unwrap_or_default();
            } else {
                literal.push('$');
                rest = behind;
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        Self {
            source: source.to_owned(),
            pieces,
        }
    }

    /// The text as written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether there is no variable in it.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        self.variables().next().is_none()
    }

    /// The variables, in order, with repetition.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Variable(variable, _) => Some(variable),
        })
    }

    /// Puts the values in.
    #[must_use]
    pub fn render(&self, variables: &dyn Variables) -> Rendered {
        let mut text = String::with_capacity(self.source.len() + 32);
        let mut resolved = 0;
        for piece in &self.pieces {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::Variable(variable, default) => match variables.get(variable) {
                    Some(value) => {
                        resolved += 1;
                        text.push_str(&value.into_text());
                    }
                    None => {
                        if let Some(default) = default {
                            resolved += 1;
                            text.push_str(default);
                        }
                    }
                },
            }
        }
        Rendered { text, resolved }
    }
}

/// Reads what follows a `$`: the variable, and how many bytes it takes.
fn variable(text: &str) -> Option<(Piece, usize)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if let Some(inner) = text.strip_prefix('{') {
        let end = inner.find('}')?;
        let inside = inner.get(..end)?;
        let (name, default) = match inside.split_once("??") {
            Some((name, default)) => (name.trim(), Some(default.trim().to_owned())),
            None => (inside.trim(), None),
        };
        // Body variables have dots and brackets in their names: `${post_arg.user.name}`.
        let is_long_name = |c: char| is_name(c) || matches!(c, '.' | '[' | ']' | '*' | '-');
        if name.is_empty() || !name.chars().all(is_long_name) {
            return None;
        }
        return Some((Piece::Variable(Variable::parse(name), default), end + 2));
    }
    let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
    let name = text.get(..end).filter(|name| !name.is_empty())?;
    Some((Piece::Variable(Variable::parse(name), None), end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::variable::Var;

    struct Fixed;

    impl Variables for Fixed {
        fn get(&self, variable: &Variable) -> Option<Var<'_>> {
            match variable.name() {
                "a" => Some(Var::Text("1".into())),
                "empty" => Some(Var::Text("".into())),
                "list" => Some(Var::Json(serde_json::json!(["x", "y"]))),
                "post_arg.user" => Some(Var::Text("jack".into())),
                _ => None,
            }
        }
    }

    fn render(text: &str) -> (String, usize) {
        let rendered = Template::parse(text).render(&Fixed);
        (rendered.text, rendered.resolved)
    }

    #[test]
    fn variables_are_put_in() {
        assert_eq!(render("$a-${a}x$list"), ("1-1xx,y".into(), 3));
        assert_eq!(render("${post_arg.user}"), ("jack".into(), 1));
    }

    #[test]
    fn an_empty_value_counts_and_a_missing_one_does_not() {
        assert_eq!(render("[$empty]"), ("[]".into(), 1));
        assert_eq!(render("[$nothing]"), ("[]".into(), 0));
    }

    #[test]
    fn a_default_stands_in() {
        assert_eq!(render("${nothing ?? 10}"), ("10".into(), 1));
        assert_eq!(render("${a ?? 10}"), ("1".into(), 1));
    }

    #[test]
    fn a_dollar_without_a_name_is_text() {
        assert_eq!(render("$ 5$ ${ $-"), ("$ 5$ ${ $-".into(), 0));
    }

    #[test]
    fn a_backslash_keeps_the_dollar() {
        assert_eq!(render(r"\$a"), (r"\$a".into(), 0));
    }

    #[test]
    fn constants_are_known_as_such() {
        assert!(Template::parse("plain").is_constant());
        assert!(!Template::parse("$a").is_constant());
        assert_eq!(
            Template::parse("$a ${b}")
                .variables()
                .map(Variable::name)
                .collect::<Vec<_>>(),
            ["a", "b"]
        );
    }
}
