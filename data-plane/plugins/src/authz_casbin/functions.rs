//! The functions of matchers that compare a text with a pattern.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use weir_model::field::pattern::Pattern;

use crate::ip_restriction::ranges::network;

/// Different patterns of one policy: each may take up to a mebibyte.
const MAX_PATTERNS: usize = 1000;

/// A pattern, ready to be compared with.
pub(super) enum Matcher {
    /// A regular expression.
    Regex(Pattern),
    /// As that, for the text before a `?`.
    BeforeQuery(Pattern),
    /// As that; groups of the same number must have the same text.
    Repeated(Pattern, Vec<usize>),
    /// A network.
    Network(IpNet),
    /// What no text fits.
    Nothing,
}

impl Matcher {
    /// Whether the text fits.
    pub(super) fn fits(&self, text: &str) -> bool {
        match self {
            Self::Regex(pattern) => pattern.is_match(text),
            Self::BeforeQuery(pattern) => {
                pattern.is_match(text.split('?').next().unwrap_or_default())
            }
            Self::Repeated(pattern, names) => {
                let Some(found) = pattern.regex().captures(text) else {
                    return false;
                };
                let mut values = HashMap::new();
                let mut groups = names.iter().zip(found.iter().skip(1).flatten());
                groups.all(|(name, value)| {
                    *values.entry(name).or_insert(value.as_str()) == value.as_str()
                })
            }
            Self::Network(network) => text
                .parse::<IpAddr>()
                .is_ok_and(|address| network.contains(&address.to_canonical())),
            Self::Nothing => false,
        }
    }
}

/// The patterns of one policy, each compiled once.
#[derive(Default)]
pub(super) struct Patterns {
    known: HashMap<(String, String), Arc<Matcher>>,
}

impl Patterns {
    /// Whether there is such a function.
    pub(super) fn has(function: &str) -> bool {
        matches!(
            function,
            "keyMatch2"
                | "keyMatch3"
                | "keyMatch4"
                | "keyMatch5"
                | "regexMatch"
                | "globMatch"
                | "IPMatch"
                | "ipMatch"
        )
    }

    /// The pattern of a function.
    ///
    /// # Errors
    /// Why it does not compile, or that there are too many.
    pub(super) fn get(&mut self, function: &str, text: &str) -> Result<Arc<Matcher>, String> {
        let key = (function.to_owned(), text.to_owned());
        if let Some(known) = self.known.get(&key) {
            return Ok(Arc::clone(known));
        }
        if self.known.len() >= MAX_PATTERNS {
            return Err(format!("more than {MAX_PATTERNS} different patterns"));
        }
        let matcher = matcher(function, text).map_err(|reason| format!("{function}: {reason}"))?;
        let matcher = Arc::new(matcher);
        self.known.insert(key, Arc::clone(&matcher));
        Ok(matcher)
    }
}

fn matcher(function: &str, text: &str) -> Result<Matcher, String> {
    let regex = |source: &str| Pattern::parse(source).map(Matcher::Regex);
    match function {
        "regexMatch" => regex(text),
        "globMatch" => regex(&glob(text)),
        "keyMatch2" if text == "*" => regex("^.*$"),
        "keyMatch2" => {
            let names = Pattern::parse(":[^/]+")?;
            let open = text.replace("/*", "/.*");
            regex(&format!("^{}$", names.regex().replace_all(&open, "[^/]+")))
        }
        "keyMatch3" => {
            let names = Pattern::parse("\\{[^/]+\\}")?;
            let open = text.replace("/*", "/.*");
            regex(&format!("^{}$", names.regex().replace_all(&open, "[^/]+")))
        }
        "keyMatch4" => {
            let (source, names) = groups(text, in_braces);
            let first = |name: &&str| names.iter().position(|other| other == name);
            let numbers = names.iter().filter_map(first).collect();
            Pattern::parse(&source).map(|pattern| Matcher::Repeated(pattern, numbers))
        }
        "keyMatch5" => Pattern::parse(&groups(text, in_braces).0).map(Matcher::BeforeQuery),
        _ => network(text).map(Matcher::Network),
    }
}

/// A named part at the start of a text: its name, and the length of what stands for it.
type Named = fn(&str) -> Option<(&str, usize)>;

fn in_braces(text: &str) -> Option<(&str, usize)> {
    let (name, _) = text.strip_prefix('{')?.split_once('}')?;
    (!name.is_empty() && !name.contains('/')).then_some((name, name.len() + 2))
}

fn behind_colon(text: &str) -> Option<(&str, usize)> {
    let name = text.strip_prefix(':')?.split('/').next()?;
    (!name.is_empty()).then_some((name, name.len() + 1))
}

/// A path with named parts, each a group, and `*` behind a slash, as an expression; all else stands
/// for itself. With the names.
fn groups(text: &str, named: Named) -> (String, Vec<&str>) {
    let mut source = String::from("^");
    let mut names = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let taken = if let Some((name, taken)) = named(rest) {
            names.push(name);
            source.push_str("([^/]+)");
            taken
        } else if rest.starts_with("/*") {
            source.push_str("/.*");
            2
        } else {
            let taken = first.len_utf8();
            source.push_str(&regex::escape(rest.get(..taken).unwrap_or_default()));
            taken
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    source.push('$');
    (source, names)
}

/// The part of texts that stands for `:NAME` in the pattern, if there is such a name.
///
/// # Errors
/// The pattern takes too much memory.
pub(super) fn key_get2(pattern: &str, name: &str) -> Result<Option<Part>, String> {
    let (source, names) = groups(pattern, behind_colon);
    let Some(at) = names.iter().position(|other| *other == name) else {
        return Ok(None);
    };
    let pattern = Pattern::parse(&source)?;
    Ok(Some(Part {
        pattern,
        group: at + 1,
    }))
}

/// A part of a text that fits a pattern.
pub(super) struct Part {
    pattern: Pattern,
    group: usize,
}

impl Part {
    /// The part; nothing when the text does not fit.
    pub(super) fn of<'t>(&self, text: &'t str) -> &'t str {
        let found = self.pattern.regex().captures(text);
        let part = found.and_then(|found| found.get(self.group));
        part.map_or("", |part| part.as_str())
    }
}

/// A pattern of `fnmatch`, in which wildcards stop at a slash, as an expression.
fn glob(text: &str) -> String {
    let mut source = String::from("^");
    let mut symbols = text.chars();
    while let Some(symbol) = symbols.next() {
        match symbol {
            '*' => source.push_str("[^/]*"),
            '?' => source.push_str("[^/]"),
            '[' => {
                let rest = symbols.as_str();
                // A bracket that comes first is one of the symbols.
                let first = usize::from(rest.starts_with(['!', '^']));
                let end = rest.get(first + 1..).and_then(|tail| tail.find(']'));
                let Some(end) = end.map(|end| end + first + 1) else {
                    source.push_str("\\[");
                    continue;
                };
                source.push_str(if first == 1 { "[^/" } else { "[" });
                let inner = rest.get(first..end).unwrap_or_default();
                source.push_str(&inner.replace('\\', "\\\\").replace(']', "\\]"));
                source.push(']');
                symbols = rest.get(end + 1..).unwrap_or_default().chars();
            }
            '\\' => {
                let escaped = symbols.next().unwrap_or('\\');
                source.push_str(&regex::escape(escaped.encode_utf8(&mut [0; 4])));
            }
            symbol => source.push_str(&regex::escape(symbol.encode_utf8(&mut [0; 4]))),
        }
    }
    source.push('$');
    source
}

/// Whether a text is the pattern, or has what stands before the pattern's `*` at its start.
pub(super) fn key_match(text: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        Some((start, _)) => text.starts_with(start),
        None => text == pattern,
    }
}

/// What stands in a text for the pattern's `*`; nothing when it does not fit.
pub(super) fn key_get<'t>(text: &'t str, pattern: &str) -> &'t str {
    let start = pattern.split_once('*').map(|(start, _)| start);
    start
        .and_then(|start| text.strip_prefix(start))
        .unwrap_or_default()
}
