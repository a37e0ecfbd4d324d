//! Variables of a request, as expressions and templates see them (objects.md section 5).

mod head;
mod later;
#[cfg(test)]
mod tests;
pub(crate) mod time;

use std::borrow::Cow;
use std::sync::Arc;

use http::HeaderMap;
use weir_model::field::variable::{Var, Variable, Variables};

use crate::context::Context;
use crate::host::Host;
use crate::request::RequestHead;

pub use time::civil;

/// What is known before a route is chosen: the head, and the captures of a candidate.
pub struct HeadVariables<'a> {
    /// Head of the request.
    pub head: &'a RequestHead,
    /// Captures of the path.
    pub params: &'a [(Arc<str>, String)],
    /// Services of the proxy.
    pub host: &'a dyn Host,
}

impl Variables for HeadVariables<'_> {
    fn get(&self, variable: &Variable) -> Option<Var<'_>> {
        head::get(self, variable)
    }
}

impl Variables for Context {
    fn get(&self, variable: &Variable) -> Option<Var<'_>> {
        let known = HeadVariables {
            head: &self.request,
            params: &self.params,
            host: &*self.host,
        };
        later::get(self, variable).or_else(|| head::get(&known, variable))
    }
}

pub(crate) type Text<'a> = Option<Cow<'a, str>>;

pub(crate) fn borrowed(text: &str) -> Text<'_> {
    Some(Cow::Borrowed(text))
}

pub(crate) fn owned<'a>(value: impl ToString) -> Text<'a> {
    Some(Cow::Owned(value.to_string()))
}

/// Text that is absent when empty.
pub(crate) fn filled(text: &str) -> Text<'_> {
    (!text.is_empty()).then_some(Cow::Borrowed(text))
}

/// All values of a header, joined as one; names without regard to case.
fn header<'a>(headers: &'a HeaderMap, name: &str) -> Text<'a> {
    let mut values = headers
        .get_all(name)
        .iter()
        .map(|v| String::from_utf8_lossy(v.as_bytes()));
    let first = values.next()?;
    Some(values.fold(first, |all, next| Cow::Owned(format!("{all}, {next}"))))
}
