//! What a limit counts by: a variable, a template or a constant.

use std::borrow::Cow;

use weir_model::field::template::Template;
use weir_model::field::variable::{Var, Variable, Variables};

use crate::context::Context;
use crate::text::ip_text;

/// Where the key of a counter comes from.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// The value of one variable.
    Variable(Variable),
    /// A text with several `$variables`.
    Template(Template),
    /// The text itself: one counter for everything.
    Constant(String),
}

impl KeySource {
    /// One variable, by APISIX's name or by an alias (`client_ip`, `header_x`, `query_arg_x`).
    #[must_use]
    pub fn variable(name: &str) -> Self {
        KeySource::Variable(Variable::parse(name))
    }

    /// A template; a leading `$` belongs to each variable.
    #[must_use]
    pub fn template(text: &str) -> Self {
        KeySource::Template(Template::parse(text))
    }

    /// The key of this request; `None` when no variable of it has a value.
    #[must_use]
    pub fn resolve<'c>(&'c self, context: &'c Context) -> Option<Cow<'c, str>> {
        self.resolve_by(context)
    }

    /// The key of a request or stream, given by its variables; `None` when none of them has a value.
    #[must_use]
    pub fn resolve_by<'c>(&'c self, context: &'c dyn Variables) -> Option<Cow<'c, str>> {
        match self {
            KeySource::Variable(variable) => context.get(variable).map(Var::into_text),
            KeySource::Template(template) => {
                let rendered = template.render(context);
                (rendered.resolved > 0).then_some(Cow::Owned(rendered.text))
            }
            KeySource::Constant(text) => Some(Cow::Borrowed(text)),
        }
    }

    /// The key of this request, or the client's address when it resolves to nothing.
    #[must_use]
    pub fn resolve_or_client<'c>(&'c self, context: &'c Context) -> Cow<'c, str> {
        self.resolve(context)
            .unwrap_or_else(|| Cow::Owned(ip_text(context.request.client_ip)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::{FakeHost, request};

    #[test]
    fn a_variable_without_value_falls_back_to_the_client() {
        let context = request("/a?user=7")
            .client("192.0.2.9:1234")
            .header("x-team", "blue")
            .context(FakeHost::shared());
        let key = |source: &KeySource| source.resolve_or_client(&context).into_owned();
        assert_eq!(key(&KeySource::variable("arg_user")), "7");
        assert_eq!(key(&KeySource::variable("query_arg_user")), "7");
        assert_eq!(key(&KeySource::variable("header_X-Team")), "blue");
        assert_eq!(key(&KeySource::variable("client_ip")), "192.0.2.9");
        assert_eq!(key(&KeySource::variable("http_nothing")), "192.0.2.9");
        assert_eq!(key(&KeySource::variable("no_such_variable")), "192.0.2.9");
    }

    #[test]
    fn a_template_counts_when_one_of_its_variables_has_a_value() {
        let context = request("/a?user=7")
            .client("192.0.2.9:1234")
            .context(FakeHost::shared());
        let key = |text: &str| {
            KeySource::template(text)
                .resolve_or_client(&context)
                .into_owned()
        };
        assert_eq!(key("$arg_user:$http_x"), "7:");
        assert_eq!(key("${query_arg_user}-$client_ip"), "7-192.0.2.9");
        assert_eq!(key("$http_x $http_y"), "192.0.2.9");
    }

    #[test]
    fn a_constant_is_the_key() {
        let context = request("/").context(FakeHost::shared());
        let source = KeySource::Constant("remote_addr".into());
        assert_eq!(source.resolve_or_client(&context), "remote_addr");
    }
}
