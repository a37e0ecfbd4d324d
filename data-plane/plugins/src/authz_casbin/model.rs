//! A model: what requests and rules are made of, and when a rule is about a request.

use std::collections::HashMap;

use super::expression::Expression;

/// A model as it was written.
pub(super) struct Model {
    /// Names of the user, the path and the method of a request.
    pub(super) request: Vec<String>,
    /// Names of the values of a rule.
    pub(super) policy: Vec<String>,
    /// Kinds of roles (`g`, `g2`), and how many values a line of each has at least.
    pub(super) roles: Vec<(String, usize)>,
    /// What the rules that are about a request come to.
    pub(super) effect: Effect,
    /// When a rule is about a request.
    pub(super) matcher: Expression,
}

/// What the rules that are about a request come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Some rule allows it.
    SomeAllow,
    /// No rule denies it.
    NoDeny,
    /// Some rule allows it, and none denies it.
    AllowWithoutDeny,
    /// The first rule that says anything allows it.
    First,
}

const EFFECTS: [(&str, Effect); 4] = [
    ("some(where (p.eft == allow))", Effect::SomeAllow),
    ("!some(where (p.eft == deny))", Effect::NoDeny),
    (
        "some(where (p.eft == allow)) && !some(where (p.eft == deny))",
        Effect::AllowWithoutDeny,
    ),
    ("priority(p.eft) || deny", Effect::First),
];

impl Model {
    /// Reads a model.
    ///
    /// # Errors
    /// What is missing or not understood.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let values = values(text)?;
        let get = |section: &str, name: &str| {
            let value = values.get(&(section.to_owned(), name.to_owned()));
            value.ok_or_else(|| format!("[{section}] with {name} = ... is missing"))
        };
        let request = names(get("request_definition", "r")?);
        if request.len() != 3 {
            return Err(format!(
                "[request_definition] r: expected three names, of user, path and method, got {}",
                request.len()
            ));
        }
        let effect = get("policy_effect", "e")?;
        let matcher = get("matchers", "m")?;
        Ok(Self {
            request,
            policy: names(get("policy_definition", "p")?),
            roles: (1..)
                .map_while(|number| {
                    let name = match number {
                        1 => "g".to_owned(),
                        number => format!("g{number}"),
                    };
                    let value = get("role_definition", &name).ok()?;
                    Some(role(&name, value))
                })
                .collect::<Result<_, _>>()?,
            effect: self::effect(effect)?,
            matcher: Expression::parse(matcher)
                .map_err(|reason| format!("[matchers] m: {reason}"))?,
        })
    }
}

/// Values by section and name; the last of several wins.
fn values(text: &str) -> Result<HashMap<(String, String), String>, String> {
    let mut values = HashMap::new();
    let mut section = String::new();
    // Of a value that goes on in the next line.
    let mut begun = String::new();
    for (position, line) in text.lines().enumerate() {
        let line = line.trim();
        let is_comment = line.starts_with(['#', ';']);
        if begun.is_empty() && (line.is_empty() || is_comment) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']'))
            && begun.is_empty()
        {
            name.trim().clone_into(&mut section);
            continue;
        }
        let goes_on = line.ends_with('\\');
        begun.push_str(line.trim_end_matches('\\').trim());
        if goes_on {
            begun.push(' ');
            continue;
        }
        let whole = std::mem::take(&mut begun);
        let (name, value) = whole.split_once('=').ok_or_else(|| {
            format!(
                "line {}: expected NAME = VALUE or [SECTION], got {whole:?}",
                position + 1
            )
        })?;
        let value = value.split('#').next().unwrap_or_default().trim();
        if !value.is_empty() {
            let key = (section.clone(), name.trim().to_owned());
            values.insert(key, value.to_owned());
        }
    }
    match begun.is_empty() {
        true => Ok(values),
        false => Err(format!("{:?} has no end", begun.trim())),
    }
}

fn names(value: &str) -> Vec<String> {
    let names = value.split(',').map(str::trim);
    let names = names.filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

fn role(name: &str, value: &str) -> Result<(String, usize), String> {
    match value.matches('_').count() {
        count @ 2.. => Ok((name.to_owned(), count)),
        _ => Err(format!(
            "[role_definition] {name}: expected _, _ or _, _, _, got {value:?}"
        )),
    }
}

fn effect(value: &str) -> Result<Effect, String> {
    // As the original stores it, a point is an underscore.
    let plain = |text: &str| {
        let text = text.replace("p_eft", "p.eft");
        text.split_whitespace().collect::<String>()
    };
    let found = EFFECTS.iter().find(|(text, _)| plain(text) == plain(value));
    found.map(|(_, effect)| *effect).ok_or_else(|| {
        let known: Vec<_> = EFFECTS.iter().map(|(text, _)| *text).collect();
        format!(
            "[policy_effect] e: expected one of {}, got {value}",
            known.join("; ")
        )
    })
}
