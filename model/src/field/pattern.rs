//! Regular expressions: PCRE as operators write it, run by a linear-time engine of bounded size.

use std::fmt;

use regex::{Regex, RegexBuilder};

/// Memory that one compiled expression may take, in bytes.
const SIZE_LIMIT: usize = 1 << 20;

/// A compiled regular expression. Two are equal when their source and flags are.
#[derive(Clone)]
pub struct Pattern {
    source: String,
    regex: Regex,
    /// From `^(?!X)` or `(?<!X)$`, the two forms of look-around that appear in APISIX's schemas:
    /// a text that this matches is not a match.
    except: Option<Regex>,
}

impl Pattern {
    /// Compiles an expression.
    ///
    /// # Errors
    /// Why it does not compile. Look-around and back-references are not supported: matching time
    /// stays linear in the length of the text.
    pub fn parse(source: &str) -> Result<Self, String> {
        Self::build(source, false)
    }

    /// Compiles an expression that ignores case.
    ///
    /// # Errors
    /// As [`Pattern::parse`].
    pub fn parse_ignoring_case(source: &str) -> Result<Self, String> {
        Self::build(source, true)
    }

    fn build(source: &str, ignore_case: bool) -> Result<Self, String> {
        let compile = |text: &str| {
            RegexBuilder::new(&translate(text))
                .case_insensitive(ignore_case)
                .size_limit(SIZE_LIMIT)
                .dfa_size_limit(SIZE_LIMIT)
                .nest_limit(64)
                .build()
                .map_err(|error| describe(source, &error))
        };
        let (main, except) = split_look_around(source);
        Ok(Self {
            source: source.to_owned(),
            regex: compile(&main)?,
            except: except.map(|text| compile(&text)).transpose()?,
        })
    }

    /// The expression as written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the expression is found anywhere in the text.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text) && !self.except.as_ref().is_some_and(|not| not.is_match(text))
    }

    /// The compiled expression, for captures and replacement.
    #[must_use]
    pub fn regex(&self) -> &Regex {
        &self.regex
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source && self.regex.as_str() == other.regex.as_str()
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.source)
    }
}

fn describe(source: &str, error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(limit) => {
            format!("regex {source:?} takes more than {limit} bytes when compiled")
        }
        other => {
            // The engine's message shows the expression over several lines; the last one says why.
            let text = other.to_string();
            let reason = text.lines().last().unwrap_or_default();
            let reason = reason.strip_prefix("error: ").unwrap_or(reason);
            format!("invalid regex {source:?}: {reason}")
        }
    }
}

/// Takes `^(?!X)rest` and `rest(?<!X)$` apart into what must match and what must not.
fn split_look_around(source: &str) -> (String, Option<String>) {
    if let Some(tail) = source.strip_prefix("^(?!")
        && let Some((inner, rest)) = tail.split_once(')')
        && !inner.contains(['(', '['])
    {
        return (format!("^{rest}"), Some(format!("^(?:{inner})")));
    }
    if let Some(head) = source.strip_suffix(")$")
        && let Some((rest, inner)) = head.rsplit_once("(?<!")
        && !inner.contains(['(', '[', ')'])
    {
        return (format!("{rest}$"), Some(format!("(?:{inner})$")));
    }
    (source.to_owned(), None)
}

/// Rewrites what PCRE and our engine read differently: brackets and set operators inside classes,
/// braces that are no quantifier, and the ASCII meaning of `\d`, `\w`, `\s`.
fn translate(source: &str) -> String {
    let mut out = String::with_capacity(source.len() + 16);
    let mut rest = source;
    let mut class_position: Option<usize> = None;
    while let Some(symbol) = rest.chars().next() {
        let tail = rest.get(symbol.len_utf8()..).unwrap_or_default();
        let mut taken = symbol.len_utf8();
        match (symbol, class_position) {
            ('\\', _) => {
                if let Some(escaped) = tail.chars().next() {
                    taken += escaped.len_utf8();
                    push_escape(&mut out, escaped, class_position.is_some());
                } else {
                    out.push('\\');
                }
                class_position = class_position.map(|position| position + 1);
            }
            ('[', None) => {
                out.push('[');
                if tail.starts_with('^') {
                    out.push('^');
                    taken += 1;
                }
                class_position = Some(0);
            }
            ('[', Some(position)) => {
                let posix = tail.starts_with(':').then(|| tail.find(":]")).flatten();
                if let Some(end) = posix {
                    taken += end + 2;
                    out.push_str(rest.get(..taken).unwrap_or_default());
                } else {
                    out.push_str("\\[");
                }
                class_position = Some(position + 1);
            }
            (']', Some(position)) if position > 0 => {
                out.push(']');
                class_position = None;
            }
            (']', Some(_)) => {
                out.push_str("\\]");
                class_position = Some(1);
            }
            ('&' | '~', Some(position)) => {
                out.push('\\');
                out.push(symbol);
                class_position = Some(position + 1);
            }
            ('-', Some(position)) if tail.starts_with('-') => {
                out.push_str("\\-");
                class_position = Some(position + 1);
            }
            ('{', None) => match quantifier(tail) {
                Some(end) => {
                    taken += end;
                    out.push_str(rest.get(..taken).unwrap_or_default());
                }
                None => out.push_str("\\{"),
            },
            (_, position) => {
                out.push(symbol);
                class_position = position.map(|position| position + 1);
            }
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    out
}

/// Length of `N}`, `N,}` or `N,M}` at the start of the text.
fn quantifier(text: &str) -> Option<usize> {
    let end = text.find('}')?;
    let inner = text.get(..end)?;
    let (low, high) = inner.split_once(',').unwrap_or((inner, "0"));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    (!low.is_empty() && digits(low) && digits(high)).then_some(end + 1)
}

fn push_escape(out: &mut String, escaped: char, in_class: bool) {
    let set = match escaped {
        'd' => "0-9",
        'w' => "0-9A-Za-z_",
        's' => " \\t\\n\\x0B\\x0C\\r",
        'D' => "^0-9",
        'W' => "^0-9A-Za-z_",
        'S' => "^ \\t\\n\\x0B\\x0C\\r",
        'Z' if !in_class => {
            out.push_str("\\z");
            return;
        }
        '<' | '>' => {
            out.push(escaped);
            return;
        }
        _ => {
            out.push('\\');
            out.push(escaped);
            return;
        }
    };
    if in_class && !set.starts_with('^') {
        out.push_str(set);
    } else {
        out.push('[');
        out.push_str(set);
        out.push(']');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(source: &str, text: &str) -> bool {
        Pattern::parse(source).unwrap().is_match(text)
    }

    #[test]
    fn expressions_of_the_schemas_compile() {
        for source in [
            r"(\\\$[0-9a-zA-Z_]+)|\$\{([0-9a-zA-Z_]+)\}|\$([0-9a-zA-Z_]+)|(\$|[^$\\]+)",
            r"^(?!tag=)[ -~]*",
            r"^[ -!#-[\]-~]+$",
            r"^[\p{L}][\p{L}\p{N}_.:/-]*(?<!:)$",
            r"^\*$|^\*?[0-9a-zA-Z-._\[\]:]+$",
            r"^\${[_A-Za-z]([_A-Za-z0-9]*[_A-Za-z])*}$",
            r"\A([\w]|[\w][\w@ .-]*[\w@.-]+)\z",
            r#"^[^\:*?"<>|]*$"#,
            r"^((uri|host)|arg_[0-9a-zA-z_-]+)$",
            r"^http(s)?:\/\/([a-zA-Z0-9-_.]+:.+\@)?[a-zA-Z0-9-_.:]+$",
        ] {
            Pattern::parse(source).unwrap();
        }
    }

    #[test]
    fn classes_mean_what_pcre_means() {
        assert!(matches(r"^[ -!#-[\]-~]+$", "key[x"));
        assert!(!matches(r"^[ -!#-[\]-~]+$", "a\"b"));
        assert!(matches("^[a&&b~~]+$", "a&~b"));
        assert!(matches("^[[]$", "["));
        assert!(matches("^[]a]+$", "]a"));
        assert!(matches("^[[:digit:]]+$", "12"));
        assert!(matches(r"^[^\d]+$", "ab"));
    }

    #[test]
    fn braces_without_numbers_are_text() {
        assert!(matches("^${a}$".replace('$', "\\$").as_str(), "${a}$"));
        assert!(matches("^a{2,3}$", "aaa"));
    }

    #[test]
    fn short_classes_are_ascii() {
        assert!(!matches(r"^\d$", "٣"));
        assert!(!matches(r"^\w$", "ä"));
    }

    #[test]
    fn the_two_forms_of_look_around_work() {
        assert!(!matches("^(?!tag=)[ -~]*", "tag=x"));
        assert!(matches("^(?!tag=)[ -~]*", "x=tag="));
        assert!(!matches("^[a-z:]*(?<!:)$", "a:"));
        assert!(matches("^[a-z:]*(?<!:)$", "a:b"));
    }

    #[test]
    fn what_the_engine_cannot_do_is_refused_with_the_reason() {
        let error = Pattern::parse("a(?=b)").unwrap_err();
        assert!(
            error.starts_with("invalid regex \"a(?=b)\": look-around"),
            "{error}"
        );
        let error = Pattern::parse("(((a{500}){500}){500})").unwrap_err();
        assert!(error.contains("bytes when compiled"), "{error}");
    }
}
