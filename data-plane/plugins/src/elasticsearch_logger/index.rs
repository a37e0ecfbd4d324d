//! Names of indices: text, variables, and dates.

use serde_json::{Map, Value};
use weir_plugin_api::vars::civil;

enum Piece {
    Text(String),
    /// `$name`, by its place in the tag of an entry.
    Variable(String),
    /// `{%Y.%m.%d}`.
    Date(String),
}

/// A name, taken apart once.
pub(super) struct Index(Vec<Piece>);

impl Index {
    /// Takes a name apart.
    ///
    /// # Errors
    /// A date that is not closed, or a letter of it that is not known.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['$', '{']) {
            let (before, from) = rest.split_at(at);
            pieces.push(Piece::Text(before.to_owned()));
            let (piece, after) = match from.strip_prefix('{') {
                Some(inner) => date(text, inner)?,
                None => variable(from.strip_prefix('$').unwrap_or_default()),
            };
            pieces.push(piece);
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Self(pieces))
    }

    /// What must be in the tag of an entry: each variable under its own name.
    pub(super) fn variables(&self) -> Map<String, Value> {
        let names = self.0.iter().filter_map(|piece| match piece {
            Piece::Variable(name) => Some(name),
            Piece::Text(_) | Piece::Date(_) => None,
        });
        names
            .map(|name| (name.clone(), Value::from(format!("${name}"))))
            .collect()
    }

    /// The name for an entry of this time.
    pub(super) fn render(&self, unix_ms: u64, tag: &Map<String, Value>) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::Variable(name) => {
                    text.push_str(tag.get(name).and_then(Value::as_str).unwrap_or_default());
                }
                Piece::Date(letters) => write_date(&mut text, letters, unix_ms / 1000),
            }
        }
        text
    }
}

fn variable(rest: &str) -> (Piece, &str) {
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
    (Piece::Variable(name.to_owned()), after)
}

fn date<'t>(text: &str, inner: &'t str) -> Result<(Piece, &'t str), String> {
    let wrong = || {
        format!(
            "field.index: expected dates such as {{%Y.%m.%d}} of %Y, %m, %d and %H, got {text:?}"
        )
    };
    let (letters, after) = inner.split_once('}').ok_or_else(wrong)?;
    let mut known = letters.split('%').skip(1);
    if !letters.contains('%') || !known.all(|part| part.starts_with(['Y', 'm', 'd', 'H'])) {
        return Err(wrong());
    }
    Ok((Piece::Date(letters.to_owned()), after))
}

fn write_date(out: &mut String, letters: &str, seconds: u64) {
    let (year, month, day) = civil(seconds / 86_400);
    let mut parts = letters.split('%');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let mut letters = part.chars();
        match letters.next() {
            Some('Y') => out.push_str(&format!("{year:04}")),
            Some('m') => out.push_str(&format!("{month:02}")),
            Some('d') => out.push_str(&format!("{day:02}")),
            _ => out.push_str(&format!("{:02}", seconds / 3600 % 24)),
        }
        out.push_str(letters.as_str());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_name_may_hold_variables_and_dates() {
        let name = |text: &str| {
            let index = Index::parse(text).unwrap();
            let mut tag = index.variables();
            for value in tag.values_mut() {
                *value = json!("shop");
            }
            index.render(1_700_000_000_000, &tag)
        };
        assert_eq!(name("services"), "services");
        assert_eq!(name("$host-{%Y.%m.%d}"), "shop-2023.11.14");
        assert_eq!(name("a-{%Y%m%d%H}-z"), "a-2023111422-z");
        for text in ["a{", "a{}", "a{x}", "a{%Q}"] {
            assert!(Index::parse(text).is_err(), "{text}");
        }
    }
}
