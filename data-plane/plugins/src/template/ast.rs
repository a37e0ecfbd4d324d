//! A template, compiled.

use std::sync::Arc;

use weir_model::field::variable::Variable;

use super::function::{Function, Method, Module};
use super::operator::Binary;
use super::pattern::Gsub;

/// One statement, and the line that it begins in.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) line: u32,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// Text that is written as it is.
    Raw(Box<str>),
    /// `{{...}}` and `{*...*}`.
    Output {
        value: Expression,
        escape: Escape,
    },
    /// `local name = value`, and changing one.
    Set {
        slot: usize,
        value: Expression,
    },
    /// `if`, `elseif`, `else`.
    If {
        arms: Vec<(Expression, Vec<Statement>)>,
        otherwise: Vec<Statement>,
    },
    /// `for key, value in pairs(of)`.
    Each {
        key: usize,
        value: Option<usize>,
        of: Expression,
        /// Only what stands at 1, 2 and so on: `ipairs`.
        numbered: bool,
        body: Vec<Statement>,
    },
    /// `for slot = from, to, step`.
    Count {
        slot: usize,
        from: Expression,
        to: Expression,
        step: Option<Expression>,
        body: Vec<Statement>,
    },
    /// A call for what it does.
    Call(Expression),
    Break,
}

/// What is done to a text before it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escape {
    /// Nothing.
    None,
    /// Characters that mean something in HTML.
    Html,
    /// Braces: what lua-resty-template does to the result of a function that returns two values, as
    /// `string.gsub` does and `_escape_xml` with it. It keeps XML from being escaped twice.
    Braces,
}

#[derive(Debug)]
pub(super) enum Expression {
    Nil,
    Bool(bool),
    Number(f64),
    Text(Arc<[u8]>),
    /// A local variable.
    Local(usize, Box<str>),
    /// A field of the decoded body.
    Field(Box<str>),
    /// `context`.
    Context,
    /// `_body`.
    Body,
    /// `_multipart`.
    Multipart,
    /// `_ctx.var.NAME`.
    Variable(Variable),
    /// A module: only on the way to a function of it.
    Module(Module),
    Index(Box<Expression>, Box<Expression>),
    Call(Function, Vec<Expression>),
    Method(Box<Expression>, Method, Vec<Expression>),
    Gsub(Box<Gsub>),
    Not(Box<Expression>),
    Negate(Box<Expression>),
    Length(Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Binary(Binary, Box<Expression>, Box<Expression>),
    Concat(Vec<Expression>),
}

impl Expression {
    /// As messages name it: `field 'a'`.
    pub(super) fn name(&self) -> String {
        match self {
            Expression::Local(_, name) => format!(" (local '{name}')"),
            Expression::Field(name) => format!(" (global '{name}')"),
            Expression::Variable(variable) => format!(" (field '{}')", variable.name()),
            Expression::Index(_, at) => match &**at {
                Expression::Text(name) => {
                    format!(" (field '{}')", String::from_utf8_lossy(name))
                }
                Expression::Number(number) => format!(" (field '{number}')"),
                _ => String::new(),
            },
            _ => String::new(),
        }
    }
}
