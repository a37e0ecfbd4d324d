//! `string.gsub`: its patterns are made regular expressions when the template is compiled, so that
//! they run in linear time.

use regex::bytes::{Captures, Regex, RegexBuilder};

use super::ast::Expression;

/// Bytes that one compiled pattern may take.
const SIZE_LIMIT: usize = 1 << 20;

/// A substitution.
#[derive(Debug)]
pub(super) struct Gsub {
    pub(super) subject: Expression,
    regex: Regex,
    pub(super) replacement: Expression,
    pub(super) limit: Option<Expression>,
}

impl Gsub {
    /// From the arguments of `gsub(subject, pattern, replacement, limit)`.
    ///
    /// # Errors
    /// They are not those, or the pattern cannot be used.
    pub(super) fn compile(arguments: Vec<Expression>) -> Result<Self, String> {
        let mut arguments = arguments.into_iter();
        let (Some(subject), Some(pattern), Some(replacement)) =
            (arguments.next(), arguments.next(), arguments.next())
        else {
            return Err("gsub takes a text, a pattern and a replacement".to_owned());
        };
        let Expression::Text(pattern) = pattern else {
            return Err("the pattern of gsub must be a text in quotes".to_owned());
        };
        let pattern = String::from_utf8_lossy(&pattern);
        Ok(Self {
            subject,
            regex: regex(&pattern)?,
            replacement,
            limit: arguments.next(),
        })
    }

    /// The subject with its first `limit` matches replaced; at most `most` bytes of it.
    ///
    /// # Errors
    /// The result is larger, or the replacement names a group that is not there.
    pub(super) fn run(
        &self,
        subject: &[u8],
        replacement: &[u8],
        limit: Option<usize>,
        most: usize,
    ) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        let mut from = 0;
        for captures in self
            .regex
            .captures_iter(subject)
            .take(limit.unwrap_or(usize::MAX))
        {
            let Some(found) = captures.get(0) else { break };
            out.extend_from_slice(subject.get(from..found.start()).unwrap_or_default());
            expand(replacement, &captures, &mut out)?;
            from = found.end();
            if out.len() > most {
                return Err("the result of gsub is too large".to_owned());
            }
        }
        out.extend_from_slice(subject.get(from..).unwrap_or_default());
        Ok(out)
    }
}

/// `%0` to `%9` in a replacement are what was found, `%%` is a `%`.
fn expand(replacement: &[u8], captures: &Captures<'_>, out: &mut Vec<u8>) -> Result<(), String> {
    let mut bytes = replacement.iter();
    while let Some(byte) = bytes.next() {
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        match bytes.next() {
            Some(digit) if digit.is_ascii_digit() => {
                let group = usize::from(digit - b'0');
                // Without groups, %1 is the whole match.
                let group = if captures.len() == 1 && group == 1 {
                    0
                } else {
                    group
                };
                let found = captures.get(group).ok_or("invalid capture index")?;
                out.extend_from_slice(found.as_bytes());
            }
            Some(b'%') => out.push(b'%'),
            _ => return Err("invalid use of '%' in replacement string".to_owned()),
        }
    }
    Ok(())
}

/// The regular expression of a pattern of Lua.
fn regex(pattern: &str) -> Result<Regex, String> {
    let mut out = String::from("(?s-u)");
    let mut chars = pattern.chars().peekable();
    let mut in_set = false;
    let mut first = true;
    while let Some(c) = chars.next() {
        match c {
            '%' => {
                let class = chars.next().ok_or("malformed pattern (ends with '%')")?;
                out.push_str(&escaped(class, in_set)?);
            }
            '[' if !in_set => {
                in_set = true;
                out.push('[');
                if chars.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                // A bracket in the first place is one of the set.
                if chars.next_if_eq(&']').is_some() {
                    out.push_str("\\]");
                }
            }
            ']' if in_set => {
                in_set = false;
                out.push(']');
            }
            '-' if in_set => out.push('-'),
            '-' => out.push_str("*?"),
            '.' | '*' | '+' | '?' | '(' | ')' if !in_set => out.push(c),
            '^' if first => out.push_str("\\A"),
            '$' if !in_set && chars.peek().is_none() => out.push_str("\\z"),
            c if c.is_ascii() => out.push_str(&regex::escape(&c.to_string())),
            c => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    out.push_str(&format!("\\x{byte:02X}"));
                }
            }
        }
        first = false;
    }
    if in_set {
        return Err("malformed pattern (missing ']')".to_owned());
    }
    RegexBuilder::new(&out)
        .size_limit(SIZE_LIMIT)
        .build()
        .map_err(|_| format!("pattern {pattern:?} is not supported"))
}

fn escaped(class: char, in_set: bool) -> Result<String, String> {
    let name = match class.to_ascii_lowercase() {
        'a' => "alpha",
        'c' => "cntrl",
        'd' => "digit",
        'l' => "lower",
        'p' => "punct",
        's' => "space",
        'u' => "upper",
        'w' => "alnum",
        'x' => "xdigit",
        _ if class.is_ascii_alphanumeric() => {
            return Err(format!("'%{class}' in a pattern is not supported"));
        }
        _ => return Ok(regex::escape(&class.to_string())),
    };
    let not = if class.is_ascii_uppercase() { "^" } else { "" };
    Ok(if in_set {
        format!("[:{not}{name}:]")
    } else {
        format!("[[:{not}{name}:]]")
    })
}
