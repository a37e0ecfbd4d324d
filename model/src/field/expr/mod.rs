//! The expression language of `vars`, `_meta.filter`, `match` and `case`.
//!
//! An array of conditions is a conjunction: `[["arg_a", "==", "1"], ["http_x", "~~", "^v"]]`. The
//! first element may be `AND`, `OR`, `!AND` or `!OR`, nested to any depth. Behaviour follows
//! APISIX's expression library, quirks included, except that regular expressions run in linear
//! time and are refused when they are written, not when they are run.

mod condition;
mod parse;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde_json::Value;

use condition::Condition;

/// The value of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Var<'a> {
    /// A text; numbers are texts too.
    Text(Cow<'a, str>),
    /// Several texts, such as the root fields of a GraphQL query.
    List(Vec<String>),
}

/// Where variables come from.
pub trait Variables {
    /// The value of a variable; `None` when it has none.
    fn get(&self, name: &str) -> Option<Var<'_>>;
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
    terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq)]
enum Term {
    Group(Group),
    Condition(Condition),
}

impl Default for Expr {
    /// The empty expression, which is true.
    fn default() -> Self {
        Self {
            root: Group {
                any: false,
                negated: false,
                terms: Vec::new(),
            },
        }
    }
}

impl Expr {
    /// Compiles an expression.
    ///
    /// # Errors
    /// The text of APISIX's library where it has one.
    pub fn parse(value: &Value) -> Result<Self, String> {
        parse::expression(value).map(|root| Self { root })
    }

    /// Whether the expression holds.
    #[must_use]
    pub fn eval(&self, variables: &dyn Variables) -> bool {
        self.root.eval(variables)
    }

    /// Whether it has no condition, and so always holds.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.root.terms.is_empty()
    }

    /// Names of all variables that it reads, with repetition.
    #[must_use]
    pub fn variables(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.root.collect(&mut names);
        names
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

    fn collect<'a>(&'a self, names: &mut Vec<&'a str>) {
        for term in &self.terms {
            match term {
                Term::Group(group) => group.collect(names),
                Term::Condition(condition) => names.push(condition.variable()),
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
