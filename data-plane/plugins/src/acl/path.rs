//! Places in what is known of an external user: `groups`, `$.realm.roles`, `$['a b'][0]`, `$.a[*]`,
//! `$..groups`.

use serde_json::Value;

/// Values that a path looks at, at most.
const MOST_LOOKED_AT: usize = 10_000;

/// Steps of a path, at most.
const MOST_STEPS: usize = 60;

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Name(String),
    Index(usize),
    Any,
    /// This value and all below it.
    Deep,
}

/// A path, taken apart once.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path(Vec<Step>);

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text.strip_prefix('$').unwrap_or(text);
        let mut steps = Vec::new();
        let mut named = !text.starts_with('$');
        while !rest.is_empty() {
            if let Some(inner) = rest.strip_prefix('[') {
                let (step, behind) = bracket(inner)?;
                steps.push(step);
                rest = behind;
                named = false;
                continue;
            }
            if let Some(behind) = rest.strip_prefix("..") {
                steps.push(Step::Deep);
                rest = behind;
            } else if let Some(behind) = rest.strip_prefix('.') {
                rest = behind;
            } else if !named {
                return Err(format!("expected . or [ in front of {rest:?}"));
            }
            named = false;
            if rest.starts_with('[') {
                continue;
            }
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (name, behind) = rest.split_at(end);
            steps.push(match name {
                "" => return Err(format!("expected a name at the end of {text:?}")),
                "*" => Step::Any,
                name if name.contains([']', '(', '?', '@', '\'', '"']) => {
                    return Err(format!("expected a name, got {name:?}"));
                }
                name => Step::Name(name.to_owned()),
            });
            rest = behind;
        }
        if steps.len() > MOST_STEPS {
            return Err(format!("expected at most {MOST_STEPS} steps"));
        }
        Ok(Self(steps))
    }

    /// Every value that is there; `None` when there is more to look at than is looked at.
    pub(super) fn find<'v>(&self, document: &'v Value) -> Option<Vec<&'v Value>> {
        let mut looked_at = 0_usize;
        let mut found = vec![document];
        for step in &self.0 {
            let mut next = Vec::new();
            for value in found {
                take(step, value, &mut next);
                if looked_at + next.len() > MOST_LOOKED_AT {
                    return None;
                }
            }
            looked_at += next.len();
            found = next;
        }
        Some(found)
    }
}

fn take<'v>(step: &Step, value: &'v Value, next: &mut Vec<&'v Value>) {
    match (step, value) {
        (Step::Name(name), Value::Object(fields)) => next.extend(fields.get(name)),
        (Step::Index(index), Value::Array(items)) => next.extend(items.get(*index)),
        (Step::Any, Value::Object(fields)) => next.extend(fields.values()),
        (Step::Any, Value::Array(items)) => next.extend(items),
        (Step::Deep, _) => below(value, next),
        _ => {}
    }
}

fn below<'v>(value: &'v Value, next: &mut Vec<&'v Value>) {
    // One more than the bound is enough to be told.
    if next.len() > MOST_LOOKED_AT {
        return;
    }
    next.push(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| below(item, next)),
        Value::Object(fields) => fields.values().for_each(|field| below(field, next)),
        _ => {}
    }
}

/// Reads what stands behind a `[`: a step, and what is behind the `]`.
fn bracket(text: &str) -> Result<(Step, &str), String> {
    let quote = text
        .chars()
        .next()
        .filter(|quote| ['\'', '"'].contains(quote));
    if let Some(quote) = quote {
        let inner = text.get(1..).unwrap_or_default();
        let found = inner.split_once(&format!("{quote}]"));
        let (name, behind) = found.ok_or_else(|| format!("expected {quote}] behind [{text}"))?;
        return Ok((Step::Name(name.to_owned()), behind));
    }
    let (inner, behind) = text
        .split_once(']')
        .ok_or_else(|| format!("expected ] behind [{text}"))?;
    let step = match inner.trim() {
        "*" => Step::Any,
        number => Step::Index(number.parse().map_err(|_| {
            format!("expected a number, * or a quoted name in brackets, got {number:?}")
        })?),
    };
    Ok((step, behind))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(path: &str) -> Vec<Value> {
        let user = json!({"groups": ["a", "b"], "realm": {"groups": "c", "a b": [{"n": 1}, {"n": 2}]}, "a.b": 3});
        let found = Path::parse(path).unwrap();
        found.find(&user).unwrap().into_iter().cloned().collect()
    }

    #[test]
    fn paths_find_values() {
        assert_eq!(found("groups"), [json!(["a", "b"])]);
        assert_eq!(found("$.groups[1]"), [json!("b")]);
        assert_eq!(found("$..groups"), [json!(["a", "b"]), json!("c")]);
        assert_eq!(found("$.realm['a b'][*].n"), [json!(1), json!(2)]);
        assert_eq!(found("['a.b']"), [json!(3)]);
        assert_eq!(found("realm.groups"), [json!("c")]);
        assert_eq!(
            found("$.realm.*"),
            [json!("c"), json!([{"n": 1}, {"n": 2}])]
        );
        assert!(found("nothing.here").is_empty());
    }

    #[test]
    fn wrong_paths_are_refused_and_large_documents_left() {
        for wrong in [
            "$..([invalid",
            "$.",
            "a..",
            "$a",
            "a[",
            "a[x]",
            "a['b]",
            "$.a[?(@.b)]",
        ] {
            assert!(Path::parse(wrong).is_err(), "{wrong}");
        }
        let large = json!({"a": vec![1; MOST_LOOKED_AT + 1]});
        assert_eq!(Path::parse("$..b").unwrap().find(&large), None);
    }
}
