//! The expression language of `vars`, `_meta.filter`, `match` and `case`.
//!
//! An array of conditions is a conjunction: `[["arg_a", "==", "1"], ["http_x", "~~", "^v"]]`. The
//! first element may be `AND`, `OR`, `!AND` or `!OR`, nested to any depth. Behaviour follows
//! APISIX's expression library, quirks included, except that regular expressions run in linear
//! time, and that what cannot work (a regex, the name of a variable) is refused when it is written.

mod condition;
mod parse;
#[cfg(test)]
mod tests;

use serde_json::Value;

pub use super::variable::{Var, Variable, Variables};

use condition::Condition;

/// Why an expression does not compile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// Where in the expression: `[1][2]`; empty for the whole.
    pub path: String,
    /// What is wrong: the text of APISIX's library where it has one.
    pub message: String,
}

/// A compiled expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    root: Group,
}

#[derive(Debug, Clone, PartialEq)]
struct Group {
    /// True for `OR`, false for `AND`.
    any: bool,
    negated: bool,
    /// Whether the operator is written out, in front of the terms.
    named: bool,
    terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq)]
enum Term {
    Group(Group),
    Condition(Condition),
}

/// The part of an expression that keeps it from being true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure<'e> {
    /// Positions that lead to it in the expression as written.
    pub path: Vec<usize>,
    /// The variable, when the part is a single condition.
    pub variable: Option<&'e Variable>,
}

impl Default for Expr {
    /// The empty expression, which is true.
    fn default() -> Self {
        Self {
            root: Group {
                any: false,
                negated: false,
                named: false,
                terms: Vec::new(),
            },
        }
    }
}

impl Expr {
    /// Compiles an expression.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(value: &Value) -> Result<Self, Error> {
        parse::expression(value).map(|root| Self { root })
    }

    /// Whether the expression holds.
    #[must_use]
    pub fn eval(&self, variables: &dyn Variables) -> bool {
        self.root.eval(variables)
    }

    /// The first part that keeps the expression from being true; `None` when it holds.
    #[must_use]
    pub fn failure(&self, variables: &dyn Variables) -> Option<Failure<'_>> {
        let mut path = Vec::new();
        let variable = self.root.failure(variables, &mut path)?;
        Some(Failure { path, variable })
    }

    /// Whether it has no condition, and so always holds.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.root.terms.is_empty()
    }

    /// All variables that it reads, with repetition.
    #[must_use]
    pub fn variables(&self) -> Vec<&Variable> {
        let mut found = Vec::new();
        self.root.collect(&mut found);
        found
    }
}

impl Group {
    fn eval(&self, variables: &dyn Variables) -> bool {
        let mut terms = self.terms.iter();
        let holds = if self.any {
            terms.any(|term| term.eval(variables))
        } else {
            terms.all(|term| term.eval(variables))
        };
        holds != self.negated
    }

    /// Goes down as long as one term alone is to blame, which is so in an `AND`.
    fn failure(
        &self,
        variables: &dyn Variables,
        path: &mut Vec<usize>,
    ) -> Option<Option<&Variable>> {
        if self.eval(variables) {
            return None;
        }
        if self.any || self.negated {
            return Some(None);
        }
        let mut terms = self.terms.iter().enumerate();
        let (position, term) = terms.find(|(_, term)| !term.eval(variables))?;
        path.push(position + usize::from(self.named));
        match term {
            Term::Group(group) => group.failure(variables, path),
            Term::Condition(condition) => Some(Some(condition.variable())),
        }
    }

    fn collect<'a>(&'a self, found: &mut Vec<&'a Variable>) {
        for term in &self.terms {
            match term {
                Term::Group(group) => group.collect(found),
                Term::Condition(condition) => found.push(condition.variable()),
            }
        }
    }
}

impl Term {
    fn eval(&self, variables: &dyn Variables) -> bool {
        match self {
            Term::Group(group) => group.eval(variables),
            Term::Condition(condition) => condition.eval(variables),
        }
    }
}
