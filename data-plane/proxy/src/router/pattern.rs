//! Path patterns: exact, prefix, with parameters, regular expressions.

use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use super::RouterMode;

/// Captures of a match: name or number, and value.
pub(super) type Params = Vec<(Arc<str>, String)>;

/// Largest compiled regular expression, in bytes.
const MAX_REGEX: usize = 1 << 20;

/// How the rest of a path is matched.
#[derive(Debug)]
enum Form {
    Exact,
    /// Text before a trailing `*`, and the name of the rest.
    Prefix {
        name: Arc<str>,
    },
    /// Parameters in between: the regex of the whole path.
    Parameters {
        regex: Regex,
    },
    /// The route's own regular expression.
    Regex {
        regex: Regex,
    },
}

/// One path of a route.
#[derive(Debug)]
pub struct PathPattern {
    /// As the operator wrote it.
    pub text: Arc<str>,
    form: Form,
    /// Length of the literal text at the front.
    literal: usize,
}

impl PathPattern {
    /// Reads a path in the syntax of `mode`.
    ///
    /// # Errors
    /// A pattern that cannot be compiled.
    pub fn parse(text: &str, mode: RouterMode) -> Result<Self, String> {
        let colon = mode == RouterMode::UriWithParameter;
        let special = |byte: u8| byte == b'*' || (colon && byte == b':');
        let Some(literal) = text.bytes().position(special) else {
            return Ok(Self {
                text: Arc::from(text),
                form: Form::Exact,
                literal: text.len(),
            });
        };
        let rest = text.get(literal..).unwrap_or_default();
        let form = match rest.strip_prefix('*') {
            Some(name) if !name.contains(['/', '*', ':']) => Form::Prefix {
                name: Arc::from(if name.is_empty() { ":ext" } else { name }),
            },
            _ => Form::Parameters {
                regex: compile(&parameters(text, colon))?,
            },
        };
        Ok(Self {
            text: Arc::from(text),
            form,
            literal,
        })
    }

    /// A route's own regular expression, already anchored at both ends.
    #[must_use]
    pub fn regex(text: &str, regex: Regex) -> Self {
        Self {
            text: Arc::from(text),
            form: Form::Regex { regex },
            literal: 0,
        }
    }

    /// Text before the first special character.
    #[must_use]
    pub fn literal(&self) -> &str {
        self.text.get(..self.literal).unwrap_or_default()
    }

    /// Whether the whole path is literal.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        matches!(self.form, Form::Exact)
    }

    /// Whether it is a regular expression of its own.
    #[must_use]
    pub fn is_regex(&self) -> bool {
        matches!(self.form, Form::Regex { .. })
    }

    /// Whether `path`, which starts with the literal text, fits; and what it captures.
    pub(super) fn capture(&self, path: &str, wanted: bool) -> Option<Params> {
        match &self.form {
            Form::Exact => Some(Params::new()),
            Form::Prefix { name } => {
                let mut params = Params::new();
                if wanted {
                    let rest = path.get(self.literal..).unwrap_or_default().to_owned();
                    params.push((Arc::from("1"), rest.clone()));
                    params.push((Arc::clone(name), rest));
                }
                Some(params)
            }
            Form::Parameters { regex } | Form::Regex { regex } => {
                if !wanted {
                    return regex.is_match(path).then(Params::new);
                }
                let captures = regex.captures(path)?;
                let mut params = Params::new();
                for (number, name) in regex.capture_names().enumerate().skip(1) {
                    let Some(value) = captures.get(number) else {
                        continue;
                    };
                    params.push((Arc::from(number.to_string()), value.as_str().to_owned()));
                    if let Some(name) = name {
                        params.push((Arc::from(name), value.as_str().to_owned()));
                    }
                }
                Some(params)
            }
        }
    }
}

/// The regex of a path with `:name` segments and `*name` parts.
fn parameters(text: &str, colon: bool) -> String {
    let mut regex = String::from("^");
    let mut rest = text;
    let mut used: Vec<&str> = Vec::new();
    while let Some(at) = rest.find(|c| c == '*' || (colon && c == ':')) {
        let (literal, special) = rest.split_at(at);
        regex.push_str(&regex::escape(literal));
        let value = if special.starts_with('*') {
            ".*"
        } else {
            "[^/]+"
        };
        let behind = special.get(1..).unwrap_or_default();
        let length = behind.find('/').unwrap_or(behind.len());
        let (name, behind) = behind.split_at(length);
        let nameable = !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !name.starts_with(|c: char| c.is_ascii_digit());
        // A name that comes twice names its first place.
        if nameable && !used.contains(&name) {
            used.push(name);
            regex.push_str(&format!("(?P<{name}>{value})"));
        } else {
            regex.push_str(&format!("({value})"));
        }
        rest = behind;
    }
    regex.push_str(&regex::escape(rest));
    regex.push('$');
    regex
}

fn compile(source: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(source)
        .dot_matches_new_line(true)
        .size_limit(MAX_REGEX)
        .build();
    built.map_err(|error| error.to_string())
}
