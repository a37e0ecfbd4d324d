//! A model with its policy, which decides about requests.

use std::collections::{HashMap, HashSet};

use super::condition::{Condition, Lowering, Operand};
use super::functions::{Patterns, key_match};
use super::model::{Effect, Model};
use super::policy::Policy;
use super::roles::Roles;

/// Bytes of a model.
pub(super) const MAX_MODEL: usize = 64 << 10;
/// Bytes of a policy.
pub(super) const MAX_POLICY: usize = 1 << 20;
/// Conditions of all rules.
const MAX_CONDITIONS: usize = 200_000;
/// Conditions, bytes that patterns look at, and steps from role to role of one decision. It takes a
/// few milliseconds to do as much.
const MAX_STEPS: usize = 1_000_000;

/// A model with its policy.
pub(super) struct Enforcer {
    rules: Vec<Rule>,
    roles: Vec<Roles>,
    effect: Effect,
}

struct Rule {
    condition: Condition,
    says: Option<Says>,
}

/// What a rule says of the requests that it is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Says {
    Allow,
    Deny,
}

/// A decision takes more steps than are allowed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Exhausted;

/// A text, and what errors call it.
pub(super) struct Source {
    /// `model`, or the field and the file.
    pub(super) name: String,
    /// The text.
    pub(super) text: String,
}

impl Enforcer {
    /// Compiles a model and a policy.
    ///
    /// # Errors
    /// What is wrong, and with which of the two.
    pub(super) fn new(model: &Source, policy: &Source) -> Result<Self, String> {
        let of = |source: &Source, reason: String| format!("{}: {reason}", source.name);
        for (source, limit) in [(model, MAX_MODEL), (policy, MAX_POLICY)] {
            if source.text.len() > limit {
                return Err(of(source, format!("more than {limit} bytes")));
            }
        }
        let read = Model::parse(&model.text).map_err(|reason| of(model, reason))?;
        let lines = Policy::parse(&policy.text, &read).map_err(|reason| of(policy, reason))?;
        let mut patterns = Patterns::default();
        let without = Lowering::new(&read, &mut patterns)
            .condition(&read.matcher)
            .map_err(|reason| of(model, format!("[matchers] m: {reason}")))?;
        let mut patterns = Patterns::default();
        let mut lowering = Lowering::new(&read, &mut patterns);
        let says = read.policy.iter().position(|name| name == "eft");
        let mut rules = Vec::new();
        for (number, values) in &lines.rules {
            let at_line = |reason| of(policy, format!("line {number}: {reason}"));
            lowering.rule = Some(values);
            let condition = lowering.condition(&read.matcher).map_err(at_line)?;
            if lowering.conditions > MAX_CONDITIONS {
                let reason = format!("more than {MAX_CONDITIONS} conditions in all rules");
                return Err(at_line(reason));
            }
            let says = match says.and_then(|at| values.get(at)).map(String::as_str) {
                None | Some("allow") => Some(Says::Allow),
                Some("deny") => Some(Says::Deny),
                Some(_) => None,
            };
            rules.push(Rule { condition, says });
        }
        if rules.is_empty() {
            // The matcher alone decides, with empty values.
            rules.push(Rule {
                condition: without,
                says: Some(Says::Allow),
            });
        }
        Ok(Self {
            rules,
            roles: lines.roles.iter().map(|lines| Roles::new(lines)).collect(),
            effect: read.effect,
        })
    }

    /// Whether a user may ask for a path by a method.
    ///
    /// # Errors
    /// It would take too long to find out.
    pub(super) fn allows(&self, user: &str, path: &str, method: &str) -> Result<bool, Exhausted> {
        let mut run = Run {
            roles: &self.roles,
            request: [user, path, method],
            left: MAX_STEPS,
            reached: HashMap::new(),
        };
        match self.effect {
            Effect::SomeAllow => self.some(&mut run, Says::Allow),
            Effect::NoDeny => Ok(!self.some(&mut run, Says::Deny)?),
            Effect::AllowWithoutDeny => {
                Ok(!self.some(&mut run, Says::Deny)? && self.some(&mut run, Says::Allow)?)
            }
            Effect::First => {
                for rule in self.rules.iter().filter(|rule| rule.says.is_some()) {
                    if run.holds(&rule.condition)? {
                        return Ok(rule.says == Some(Says::Allow));
                    }
                }
                Ok(false)
            }
        }
    }

    /// Whether some rule that is about the request says this.
    fn some<'a>(&'a self, run: &mut Run<'a>, says: Says) -> Result<bool, Exhausted> {
        for rule in self.rules.iter().filter(|rule| rule.says == Some(says)) {
            if run.holds(&rule.condition)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// One decision.
struct Run<'a> {
    roles: &'a [Roles],
    request: [&'a str; 3],
    /// Steps that it may still take.
    left: usize,
    /// What a name stands for, by its kind of roles and number.
    reached: HashMap<(usize, usize), HashSet<usize>>,
}

impl<'a> Run<'a> {
    fn spend(&mut self, steps: usize) -> Result<(), Exhausted> {
        self.left = self.left.checked_sub(steps).ok_or(Exhausted)?;
        Ok(())
    }

    fn holds(&mut self, condition: &'a Condition) -> Result<bool, Exhausted> {
        self.spend(1)?;
        let request = self.request;
        Ok(match condition {
            Condition::Always(holds) => *holds,
            Condition::Any(parts) => {
                for part in parts {
                    if self.holds(part)? {
                        return Ok(true);
                    }
                }
                false
            }
            Condition::All(parts) => {
                for part in parts {
                    if !self.holds(part)? {
                        return Ok(false);
                    }
                }
                true
            }
            Condition::Not(inner) => !self.holds(inner)?,
            Condition::Same(left, right) => self.holds(left)? == self.holds(right)?,
            Condition::Equal(left, right) => left.equals(right, &request),
            Condition::KeyMatch(text, pattern) => {
                key_match(&text.text(&request), &pattern.text(&request))
            }
            Condition::Fits(text, matcher) => {
                let text = text.text(&request);
                self.spend(text.len())?;
                matcher.fits(&text)
            }
            Condition::HasRole {
                kind,
                name,
                role,
                domain,
            } => self.has_role(*kind, name, role, domain.as_ref())?,
        })
    }

    fn has_role(
        &mut self,
        kind: usize,
        name: &'a Operand,
        role: &'a Operand,
        domain: Option<&'a Operand>,
    ) -> Result<bool, Exhausted> {
        let request = self.request;
        let (name, role) = (name.text(&request), role.text(&request));
        if name == role {
            return Ok(true);
        }
        let domain = domain
            .map(|domain| domain.text(&request))
            .unwrap_or_default();
        let Some(roles) = self.roles.get(kind) else {
            return Ok(false);
        };
        let (Some(name), Some(role)) = (roles.find(&domain, &name), roles.find(&domain, &role))
        else {
            return Ok(false);
        };
        if let Some(reached) = self.reached.get(&(kind, name)) {
            return Ok(reached.contains(&role));
        }
        let (reached, steps) = roles.reached_from(name);
        self.spend(steps)?;
        let found = reached.contains(&role);
        self.reached.insert((kind, name), reached);
        Ok(found)
    }
}
