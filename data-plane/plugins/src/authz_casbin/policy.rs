//! A policy: rules and roles, a line each, with commas between values.

use super::model::Model;

/// A policy as it was written.
pub(super) struct Policy {
    /// Number and values of each line of rules.
    pub(super) rules: Vec<(usize, Vec<String>)>,
    /// Values of the lines of roles, by their kind in the order of the model.
    pub(super) roles: Vec<Vec<Vec<String>>>,
}

impl Policy {
    /// Reads a policy. Lines of kinds that the model does not use say nothing.
    ///
    /// # Errors
    /// Which line does not have the values that the model asks for.
    pub(super) fn parse(text: &str, model: &Model) -> Result<Self, String> {
        let mut policy = Self {
            rules: Vec::new(),
            roles: vec![Vec::new(); model.roles.len()],
        };
        for (position, line) in text.lines().enumerate() {
            let number = position + 1;
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut values = values(line);
            let kind = values.remove(0);
            if kind == "p" {
                if values.len() != model.policy.len() {
                    return Err(format!(
                        "line {number}: expected {} values behind p, got {}",
                        model.policy.len(),
                        values.len()
                    ));
                }
                policy.rules.push((number, values));
                continue;
            }
            let roles = model.roles.iter().zip(&mut policy.roles);
            for ((_, count), lines) in roles.filter(|((name, _), _)| *name == kind) {
                if values.len() < *count {
                    return Err(format!(
                        "line {number}: expected {count} values behind {kind}, got {}",
                        values.len()
                    ));
                }
                lines.push(values.clone());
            }
        }
        // As the original compares them: as texts.
        if let Some(at) = model.policy.iter().position(|name| name == "priority") {
            policy
                .rules
                .sort_by(|(_, one), (_, other)| one.get(at).cmp(&other.get(at)));
        }
        Ok(policy)
    }
}

/// The values of a line; those in double quotes may have commas, and quotes twice. There is one at
/// least.
fn values(line: &str) -> Vec<String> {
    let mut values = Vec::new();
    let mut value = String::new();
    let mut quoted = false;
    let mut symbols = line.chars().peekable();
    while let Some(symbol) = symbols.next() {
        match symbol {
            '"' if quoted && symbols.next_if_eq(&'"').is_some() => value.push('"'),
            '"' if quoted => quoted = false,
            '"' if value.trim().is_empty() => {
                value.clear();
                quoted = true;
            }
            ',' if !quoted => values.push(std::mem::take(&mut value)),
            symbol => value.push(symbol),
        }
    }
    values.push(value);
    values.iter().map(|value| value.trim().to_owned()).collect()
}
