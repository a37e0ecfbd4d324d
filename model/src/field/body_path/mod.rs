//! A place in a document: `a.b`, `a[0]`, `a[*].b`, `a.*`, `a..b`, `['a b']`.
//!
//! Values are taken out of a JSON text while it is read, so that a large body costs no more memory
//! than what is found in it.

mod select;
#[cfg(test)]
mod tests;

pub use select::{MAX_FOUND, NoJson};

/// Steps of a path at most.
const MAX_STEPS: usize = 60;

/// A path, taken apart once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyPath {
    steps: Vec<Step>,
    /// Whether it finds a list of values, however many there are.
    many: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Name(Box<str>),
    Index(usize),
    /// Every member or item.
    Any,
    /// Any number of levels.
    Deep,
}

impl BodyPath {
    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut steps = Vec::new();
        let mut many = false;
        // A path begins with a name; the dot in front of it is part of the prefix.
        let mut rest = text;
        let mut dotted = true;
        loop {
            if dotted {
                let end = rest.find(['.', '[', ']']).unwrap_or(rest.len());
                let (name, behind) = rest.split_at(end);
                match name {
                    "" if steps.is_empty() && behind.starts_with('[') => {}
                    "" => return Err(expected("a name", rest)),
                    "*" => {
                        many = true;
                        steps.push(Step::Any);
                    }
                    name => steps.push(Step::Name(name.into())),
                }
                rest = behind;
            }
            if steps.len() > MAX_STEPS {
                return Err(format!("expected at most {MAX_STEPS} steps"));
            }
            if let Some(behind) = rest.strip_prefix("..") {
                many = true;
                steps.push(Step::Deep);
                rest = behind;
                dotted = true;
            } else if let Some(behind) = rest.strip_prefix('.') {
                rest = behind;
                dotted = true;
            } else if let Some(behind) = rest.strip_prefix('[') {
                many = true;
                let (step, behind) = bracket(behind)?;
                steps.push(step);
                rest = behind;
                dotted = false;
            } else if rest.is_empty() {
                return Ok(Self { steps, many });
            } else {
                return Err(expected("'.' or '['", rest));
            }
        }
    }
}

/// What stands behind a `[`, up to its end.
fn bracket(text: &str) -> Result<(Step, &str), String> {
    let quote = text
        .chars()
        .next()
        .filter(|first| matches!(first, '\'' | '"'));
    let (step, behind) = match quote {
        Some(quote) => {
            let inner = text.get(1..).unwrap_or_default();
            let (name, behind) = inner
                .split_once(quote)
                .ok_or_else(|| expected(&format!("a closing {quote}"), text))?;
            (Step::Name(name.into()), behind)
        }
        None => {
            let end = text.find(']').unwrap_or(text.len());
            let (inner, behind) = text.split_at(end);
            let step = match inner {
                "*" => Step::Any,
                number => Step::Index(
                    number
                        .parse()
                        .map_err(|_| expected("a number, '*' or a name in quotes", text))?,
                ),
            };
            (step, behind)
        }
    };
    let behind = behind.strip_prefix(']');
    let behind = behind.ok_or_else(|| expected("']'", text))?;
    Ok((step, behind))
}

fn expected(what: &str, at: &str) -> String {
    if at.is_empty() {
        format!("expected {what} at the end")
    } else {
        format!("expected {what} at \"{at}\"")
    }
}
