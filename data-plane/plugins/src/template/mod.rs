//! Templates in the dialect of lua-resty-template, for the plugins that write bodies.
//!
//! A template is text with `{{expression}}` (escaped for HTML), `{*expression*}` (as it is),
//! `{% statements %}` and `{# comment #}`. Expressions and statements are a small part of Lua, enough
//! for what APISIX's documentation shows: `local`, `if`, `for`, operators, a few functions. What is
//! outside of it is refused when the template is compiled, with its line.
//!
//! Nothing of it can harm: there are no loops without an end, steps and bytes are counted, and the
//! only state is that of one rendering.

mod ast;
mod call;
mod eval;
mod expression;
mod function;
mod multipart;
mod operator;
mod parse;
mod pattern;
#[cfg(test)]
mod tests;
mod token;
mod value;

use bytes::Bytes;
use weir_model::field::variable::Variables;

pub(crate) use multipart::Multipart;
pub(crate) use value::{Fields, Value};

/// Steps of one rendering: statements and parts of expressions.
const MAX_STEPS: u32 = 1_000_000;

/// A template, ready to render.
pub(crate) struct Template {
    body: Vec<ast::Statement>,
    /// Local variables that are alive at a time, at most.
    locals: usize,
}

/// What a template sees.
pub(crate) struct Scope<'a> {
    /// The decoded body: its fields are names in the template, `context` is all of it.
    pub(crate) data: Value,
    /// `_body`: the body as it came; none when it is empty.
    pub(crate) body: Option<Bytes>,
    /// `_ctx.var`.
    pub(crate) variables: &'a dyn Variables,
    /// `_multipart`.
    pub(crate) multipart: Option<Multipart>,
}

impl Template {
    /// Compiles a template.
    ///
    /// # Errors
    /// What in it cannot run, and in which line.
    pub(crate) fn compile(text: &str) -> Result<Self, String> {
        parse::template(text)
    }

    /// Renders at most `limit` bytes.
    ///
    /// # Errors
    /// What went wrong, and in which line.
    pub(crate) fn render(&self, scope: Scope<'_>, limit: usize) -> Result<Vec<u8>, String> {
        eval::render(self, scope, limit)
    }
}
