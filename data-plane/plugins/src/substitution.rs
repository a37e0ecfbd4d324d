//! Regular expressions of the rewriting plugins, and the replacement texts that go with them.
//!
//! APISIX runs PCRE here. We run the `regex` crate: matching time is linear in the text, and the
//! compiled size is bounded. Look-around and back-references do not exist there and are refused.

use regex::RegexBuilder;
use regex::bytes::RegexBuilder as BytesRegexBuilder;

/// Bytes that one compiled expression may take.
const SIZE_LIMIT: usize = 1 << 20;

/// Compiles an expression for text.
///
/// # Errors
/// Why it does not compile, in one line.
pub(crate) fn text_regex(pattern: &str) -> Result<regex::Regex, String> {
    RegexBuilder::new(pattern)
        .size_limit(SIZE_LIMIT)
        .build()
        .map_err(|error| reason(pattern, &error))
}

/// Compiles an expression for bytes, with PCRE options as ngx.re takes them. `j` and `o` concern only
/// how PCRE runs and mean nothing here.
///
/// # Errors
/// Why it does not compile, or which option is not supported.
pub(crate) fn bytes_regex(pattern: &str, options: &str) -> Result<regex::bytes::Regex, String> {
    let mut builder = BytesRegexBuilder::new(pattern);
    builder.size_limit(SIZE_LIMIT);
    for option in options.chars() {
        match option {
            'j' | 'o' | 'u' => {}
            'i' => _ = builder.case_insensitive(true),
            'm' => _ = builder.multi_line(true),
            's' => _ = builder.dot_matches_new_line(true),
            'x' => _ = builder.ignore_whitespace(true),
            other if !"adDJU".contains(other) => {
                return Err(format!("unknown flag \"{other}\" (flags \"{options}\")"));
            }
            other => {
                return Err(format!(
                    "option {other:?} is not supported, expected any of \"i\", \"j\", \"m\", \"o\", \
                     \"s\", \"u\", \"x\""
                ));
            }
        }
    }
    builder.build().map_err(|error| reason(pattern, &error))
}

/// Compiles expressions of which any may match.
///
/// # Errors
/// Which one does not compile, and why.
pub(crate) fn bytes_set(
    patterns: &[String],
    case_insensitive: bool,
) -> Result<regex::bytes::RegexSet, String> {
    regex::bytes::RegexSetBuilder::new(patterns)
        .case_insensitive(case_insensitive)
        .size_limit(SIZE_LIMIT)
        .build()
        .map_err(|error| {
            // The set does not say whose fault it is.
            let first = patterns
                .iter()
                .find_map(|pattern| Some((pattern, bytes_regex(pattern, "").err()?)));
            match first {
                Some((pattern, reason)) => format!("expression {pattern:?}: {reason}"),
                None => reason("", &error),
            }
        })
}

fn reason(pattern: &str, error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(limit) => {
            format!("regex takes more than {limit} bytes when compiled")
        }
        other => {
            // The engine draws the place over several lines; the last line says why.
            let text = other.to_string();
            let last = text.lines().last().unwrap_or(pattern);
            last.strip_prefix("error: ").unwrap_or(last).to_owned()
        }
    }
}

/// One piece of a replacement text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Literal(String),
    Group(usize),
}

/// Splits a replacement text. `$1`, `${1}` and `$0` are captures, `$$` is a dollar sign; names are
/// looked up with `group_of`. A capture that the expression does not have is empty.
///
/// # Errors
/// As ngx.re.sub words it: a `$` that is followed by neither, or an unknown name.
pub(crate) fn parse(
    text: &str,
    group_of: impl Fn(&str) -> Option<usize>,
) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        literal.push_str(before);
        if let Some(tail) = after.strip_prefix('$') {
            literal.push('$');
            rest = tail;
            continue;
        }
        let (name, tail) = match after.strip_prefix('{') {
            Some(inner) => inner.split_once('}').unwrap_or(("", after)),
            None => after.split_at(name_length(after)),
        };
        if name.is_empty() {
            return Err(format!("invalid capturing variable name found in {text:?}"));
        }
        let group = name.parse().ok().or_else(|| group_of(name));
        let Some(group) = group else {
            return Err(format!("unknown capture {name:?} in {text:?}"));
        };
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
        }
        pieces.push(Piece::Group(group));
        rest = tail;
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

/// Length of the capture name at the start: all digits, or a word that starts with a letter.
fn name_length(text: &str) -> usize {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits > 0 {
        return digits;
    }
    text.bytes()
        .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        .count()
}

/// The group of this name in an expression.
pub(crate) fn group_named<'n>(
    mut names: impl Iterator<Item = Option<&'n str>>,
    wanted: &str,
) -> Option<usize> {
    names.position(|name| name == Some(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(text: &str) -> Result<Vec<Piece>, String> {
        parse(text, |name| (name == "id").then_some(7))
    }

    fn literal(text: &str) -> Piece {
        Piece::Literal(text.into())
    }

    #[test]
    fn captures_are_found_by_number_and_by_name() {
        assert_eq!(
            groups("/a/$1b${2}c/${id}/$id"),
            Ok(vec![
                literal("/a/"),
                Piece::Group(1),
                literal("b"),
                Piece::Group(2),
                literal("c/"),
                Piece::Group(7),
                literal("/"),
                Piece::Group(7),
            ])
        );
        assert_eq!(groups("$12"), Ok(vec![Piece::Group(12)]));
        assert_eq!(groups("a$$1"), Ok(vec![literal("a$1")]));
        assert_eq!(groups(""), Ok(vec![]));
    }

    #[test]
    fn other_dollars_are_refused() {
        for text in ["$", "a$-", "${", "${}", "$ 1"] {
            assert!(groups(text).unwrap_err().starts_with("invalid capturing"));
        }
        assert!(groups("$foo").unwrap_err().starts_with("unknown capture"));
    }

    #[test]
    fn pcre_only_syntax_is_refused_with_a_reason() {
        for pattern in ["(?=a)", "(?!a)", "(?<=a)b"] {
            let error = text_regex(pattern).unwrap_err();
            assert!(error.contains("look-around"), "{error}");
        }
        let error = text_regex(r"(a)\1").unwrap_err();
        assert!(error.contains("backreferences"), "{error}");
        assert!(text_regex("(").is_err());
    }

    #[test]
    fn compiled_size_is_bounded() {
        let error = text_regex("((a{100}){100}){100}").unwrap_err();
        assert!(error.contains("more than 1048576 bytes"), "{error}");
    }

    #[test]
    fn options_are_mapped_or_refused() {
        assert!(bytes_regex("a", "jo").unwrap().is_match(b"a"));
        assert!(bytes_regex("A", "ijo").unwrap().is_match(b"a"));
        assert!(bytes_regex("^b", "m").unwrap().is_match(b"a\nb"));
        assert!(bytes_regex("a.b", "s").unwrap().is_match(b"a\nb"));
        assert!(bytes_regex("a b # c", "x").unwrap().is_match(b"ab"));
        assert!(!bytes_regex("a b", "").unwrap().is_match(b"ab"));
        for option in ["a", "d", "D", "J", "U"] {
            let error = bytes_regex("a", option).unwrap_err();
            assert!(error.contains("is not supported"), "{error}");
        }
        let error = bytes_regex("a", "jg").unwrap_err();
        assert_eq!(error, r#"unknown flag "g" (flags "jg")"#);
    }
}
