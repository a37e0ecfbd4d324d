//! Arguments of the query string.

use percent_encoding::percent_decode_str;
use regex::RegexBuilder;
use serde_json::Value;
use weir_model::{Kind, Resource};

use super::error::Error;

/// Largest compiled form of a filter's regular expression, in bytes.
const REGEX_SIZE: usize = 1 << 20;

/// Decoded arguments in order. Bytes that are not UTF-8 are replaced.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

/// What a list request asks for.
pub(super) struct Selection {
    filters: Vec<Filter>,
    paging: Option<Paging>,
    /// What was asked for in vain.
    pub(super) warnings: Vec<String>,
}

struct Paging {
    page: usize,
    size: usize,
}

enum Filter {
    Name(Option<regex::Regex>),
    Label(String),
    Uri(Option<regex::Regex>),
    Field(&'static str, String),
}

impl Query {
    /// Takes a query string apart.
    pub(super) fn parse(text: &str) -> Self {
        let decode = |part: &str| {
            let part = part.replace('+', " ");
            percent_decode_str(&part).decode_utf8_lossy().into_owned()
        };
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(name), decode(value))
                })
                .collect(),
        )
    }

    /// The first value of an argument.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// When the resource of a write expires.
    ///
    /// # Errors
    /// When `ttl` is not a number, or not above 0.
    pub(super) fn expires_at_ms(&self, now_ms: u64) -> Result<Option<u64>, Error> {
        let Some(text) = self.get("ttl") else {
            return Ok(None);
        };
        let seconds = number(text)
            .ok_or_else(|| Error::invalid("invalid argument ttl: should be a number"))?;
        if seconds <= 0.0 {
            let text = format!("invalid argument ttl: should be above 0, got {text}");
            return Err(Error::Invalid(text));
        }
        // A float-to-integer cast saturates: far enough away is never.
        let milliseconds = (seconds * 1000.0).ceil() as u64;
        Ok(Some(now_ms.saturating_add(milliseconds)))
    }

    /// Whether a read may come from this node alone.
    ///
    /// # Errors
    /// When `consistency` has another value than `stale` or `linearizable`.
    pub(super) fn stale(&self) -> Result<bool, Error> {
        match self.get("consistency") {
            None | Some("linearizable") => Ok(false),
            Some("stale") => Ok(true),
            Some(other) => Err(Error::Invalid(format!(
                "invalid argument consistency: expected stale or linearizable, got {other}"
            ))),
        }
    }

    /// Whether an argument is `true`; it need not be there.
    ///
    /// # Errors
    /// When it has another value than `true` or `false`.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Error> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(Error::Invalid(format!(
                "invalid argument {name}: expected true or false, got {other}"
            ))),
        }
    }

    /// Filters and paging of a list of `kind`.
    ///
    /// # Errors
    /// When `page_size` is out of bounds.
    pub(super) fn selection(&self, kind: Kind) -> Result<Selection, Error> {
        let mut selection = Selection {
            filters: Vec::new(),
            paging: self.paging()?,
            warnings: Vec::new(),
        };
        if let Some(pattern) = self.get("name") {
            let regex = selection.regex("name", pattern);
            selection.filters.push(Filter::Name(regex));
        }
        if let Some(label) = self.get("label") {
            selection.filters.push(Filter::Label(label.to_owned()));
        }
        if let Some(pattern) = self.get("uri") {
            let regex = selection.regex("uri", pattern);
            selection.filters.push(Filter::Uri(regex));
        }
        if let (Some(filter), Kind::Route | Kind::StreamRoute) = (self.get("filter"), kind) {
            let fields = Query::parse(filter);
            for name in ["service_id", "upstream_id"] {
                if let Some(value) = fields.get(name) {
                    selection
                        .filters
                        .push(Filter::Field(name, value.to_owned()));
                }
            }
        }
        Ok(selection)
    }

    fn paging(&self) -> Result<Option<Paging>, Error> {
        let argument = |name| self.get(name).and_then(number);
        let (Some(page), Some(size)) = (argument("page"), argument("page_size")) else {
            return Ok(None);
        };
        if !(10.0..=500.0).contains(&size) {
            return Err(Error::Plain("page_size must be between 10 and 500"));
        }
        // Casts saturate; the bounds of `size` were checked.
        Ok(Some(Paging {
            page: (page.max(1.0)) as usize,
            size: size as usize,
        }))
    }
}

impl Selection {
    fn regex(&mut self, argument: &str, pattern: &str) -> Option<regex::Regex> {
        let compiled = RegexBuilder::new(pattern).size_limit(REGEX_SIZE).build();
        if compiled.is_err() {
            let warning = format!("{argument}: not a regular expression, matches nothing");
            self.warnings.push(warning);
        }
        compiled.ok()
    }

    /// Whether a resource passes every filter.
    pub(super) fn matches(&self, resource: &Resource) -> bool {
        self.filters
            .iter()
            .all(|filter| filter.matches(&resource.spec))
    }

    /// The page that was asked for.
    pub(super) fn page<T>(&self, list: Vec<T>) -> Vec<T> {
        match &self.paging {
            None => list,
            Some(Paging { page, size }) => {
                let before = page.saturating_sub(1).saturating_mul(*size);
                list.into_iter().skip(before).take(*size).collect()
            }
        }
    }
}

impl Filter {
    fn matches(&self, spec: &Value) -> bool {
        let text = |name: &str| spec.get(name).and_then(Value::as_str);
        match self {
            Filter::Name(regex) => {
                let name = text("name");
                name.is_some_and(|name| regex.as_ref().is_some_and(|regex| regex.is_match(name)))
            }
            Filter::Uri(regex) => regex.as_ref().is_some_and(|regex| {
                let several = spec.get("uris").and_then(Value::as_array);
                let several = several.into_iter().flatten().filter_map(Value::as_str);
                text("uri")
                    .into_iter()
                    .chain(several)
                    .any(|uri| regex.is_match(uri))
            }),
            Filter::Label(label) => spec
                .get("labels")
                .and_then(|labels| labels.get(label.as_str()))
                .is_some(),
            Filter::Field(name, wanted) => spec.get(*name).is_some_and(|value| match value {
                Value::String(text) => text == wanted,
                Value::Number(number) => number.to_string() == *wanted,
                _ => false,
            }),
        }
    }
}

/// A finite number, blanks around it allowed.
fn number(text: &str) -> Option<f64> {
    let number: f64 = text.trim().parse().ok()?;
    number.is_finite().then_some(number)
}
