//! Places in JSON: the part of JSONPath (RFC 9535) that names them without conditions.

use serde_json::Value;

/// Levels below which nothing is looked at; JSON that is parsed is not deeper.
const MAX_DEPTH: usize = 128;

/// One step on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// `.name`, `['name']`.
    Name(String),
    /// `[0]`, `[-1]` from the end.
    Index(i64),
    /// `.*`, `[*]`.
    All,
    /// `..`: what follows, on every level.
    Deep,
}

/// A path such as `$.users[*].card`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path(Vec<Segment>);

impl Path {
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let refuse =
            |why: &str| format!("name must be a path such as $.user.password, got {text:?}: {why}");
        // APISIX's library takes names without `$` too.
        let mut rest = text.strip_prefix('$').unwrap_or(text);
        let mut segments = Vec::new();
        if !text.starts_with('$') {
            let (name, behind) = name(rest);
            segments.push(Segment::Name(name.to_owned()));
            rest = behind;
            if name.is_empty() {
                return Err(refuse("it is empty"));
            }
        }
        while !rest.is_empty() {
            if let Some(behind) = rest.strip_prefix("..") {
                segments.push(Segment::Deep);
                rest = behind;
                if rest.starts_with('[') {
                    continue;
                }
            } else if let Some(behind) = rest.strip_prefix('.') {
                rest = behind;
            } else if let Some(inside) = rest.strip_prefix('[') {
                let (segment, behind) = bracket(inside).ok_or_else(|| {
                    refuse("expected a name in quotes, a number or * between brackets")
                })?;
                segments.push(segment);
                rest = behind;
                continue;
            } else {
                return Err(refuse("expected . or [ behind a name"));
            }
            let (found, behind) = name(rest);
            match found {
                "" => return Err(refuse("a name is missing")),
                "*" => segments.push(Segment::All),
                found => segments.push(Segment::Name(found.to_owned())),
            }
            rest = behind;
        }
        if segments.is_empty() {
            return Err(refuse("it names the whole body"));
        }
        Ok(Self(segments))
    }

    /// Changes every value at this place; one for which `change` gives nothing is removed.
    pub(super) fn change(&self, value: &mut Value, change: &dyn Fn(&Value) -> Option<Value>) {
        walk(&self.0, value, change, 0);
    }
}

/// A name up to the next sign, and what stands behind.
fn name(text: &str) -> (&str, &str) {
    let end = text.find(['.', '[']).unwrap_or(text.len());
    text.split_at(end)
}

fn bracket(inside: &str) -> Option<(Segment, &str)> {
    let quote = inside.chars().next()?;
    if quote == '\'' || quote == '"' {
        let (name, behind) = inside.get(1..)?.split_once(quote)?;
        return Some((Segment::Name(name.to_owned()), behind.strip_prefix(']')?));
    }
    let (text, behind) = inside.split_once(']')?;
    let segment = match text.trim() {
        "*" => Segment::All,
        number => Segment::Index(number.parse().ok()?),
    };
    Some((segment, behind))
}

fn walk(
    path: &[Segment],
    value: &mut Value,
    change: &dyn Fn(&Value) -> Option<Value>,
    depth: usize,
) {
    let Some((segment, rest)) = path.split_first() else {
        return;
    };
    if depth > MAX_DEPTH {
        return;
    }
    if *segment == Segment::Deep {
        walk(rest, value, change, depth + 1);
        match value {
            Value::Object(fields) => fields
                .values_mut()
                .for_each(|inner| walk(path, inner, change, depth + 1)),
            Value::Array(items) => items
                .iter_mut()
                .for_each(|inner| walk(path, inner, change, depth + 1)),
            _ => {}
        }
        return;
    }
    let visit = |inner: &mut Value| -> bool {
        if !rest.is_empty() {
            walk(rest, inner, change, depth + 1);
            return true;
        }
        let changed = change(inner);
        let stays = changed.is_some();
        *inner = changed.unwrap_or_default();
        stays
    };
    match (segment, value) {
        (Segment::Name(name), Value::Object(fields)) => {
            if let Some(inner) = fields.get_mut(name)
                && !visit(inner)
            {
                fields.shift_remove(name);
            }
        }
        (Segment::Index(index), Value::Array(items)) => {
            let at = match usize::try_from(*index) {
                Ok(at) => Some(at),
                Err(_) => usize::try_from(index.unsigned_abs())
                    .ok()
                    .and_then(|back| items.len().checked_sub(back)),
            };
            if let Some(at) = at
                && let Some(inner) = items.get_mut(at)
                && !visit(inner)
            {
                items.remove(at);
            }
        }
        (Segment::All, Value::Object(fields)) => fields.retain(|_, inner| visit(inner)),
        (Segment::All, Value::Array(items)) => items.retain_mut(visit),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn masked(path: &str) -> Value {
        let mut value = json!({
            "password": "a",
            "user": {"password": "b", "a.b": "c"},
            "cards": [{"no": 1}, {"no": 2}, {"no": 3}],
        });
        let path = Path::parse(path).unwrap();
        path.change(&mut value, &|_| Some(json!("*")));
        value
    }

    #[test]
    fn places_are_found() {
        assert_eq!(masked("$.password")["password"], "*");
        assert_eq!(masked("password")["password"], "*");
        assert_eq!(masked("$.user.password")["user"]["password"], "*");
        assert_eq!(masked("user['a.b']")["user"]["a.b"], "*");
        assert_eq!(
            masked("$[\"user\"].*")["user"],
            json!({"password": "*", "a.b": "*"})
        );
        let all = json!([{"no": "*"}, {"no": "*"}, {"no": "*"}]);
        assert_eq!(masked("$.cards[*].no")["cards"], all);
        assert_eq!(masked("$.cards[1]")["cards"][1], "*");
        assert_eq!(masked("$.cards[-1].no")["cards"][2]["no"], "*");
        let deep = masked("$..password");
        assert_eq!(
            (&deep["password"], &deep["user"]["password"]),
            (&json!("*"), &json!("*"))
        );
        assert_eq!(masked("$..[0]")["cards"][0], "*");
        for nothing in [
            "$.none",
            "$.password.x",
            "$.cards[9]",
            "$.cards[-9]",
            "$.user[0]",
        ] {
            assert!(!masked(nothing).to_string().contains('*'), "{nothing}");
        }
    }

    #[test]
    fn values_are_removed() {
        let without = |path: &str| {
            let mut value = json!({"a": {"b": 1, "c": 2}, "l": [1, 2, 3]});
            Path::parse(path).unwrap().change(&mut value, &|_| None);
            value
        };
        assert_eq!(without("$.a.b"), json!({"a": {"c": 2}, "l": [1, 2, 3]}));
        assert_eq!(
            without("$.l[1]"),
            json!({"a": {"b": 1, "c": 2}, "l": [1, 3]})
        );
        assert_eq!(without("$.l[*]"), json!({"a": {"b": 1, "c": 2}, "l": []}));
        assert_eq!(without("$.a.*"), json!({"a": {}, "l": [1, 2, 3]}));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in [
            "",
            "$",
            "$.",
            "$.a.",
            "$a",
            "$.a[",
            "$.a[x]",
            "$.a['b]",
            "$.a[?(@.b)]",
            "$.a[1:2]",
            "$..",
            "$.a[0]b",
        ] {
            assert!(Path::parse(text).is_err(), "{text}");
        }
    }
}
