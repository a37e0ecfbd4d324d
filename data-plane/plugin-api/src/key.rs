//! What a limit counts by: a variable, a template or a constant.

use std::borrow::Cow;

use weir_model::field::expr::{Var, Variables};
use weir_model::field::template::Template;

use crate::context::Context;

/// Where the key of a counter comes from.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// The value of one variable.
    Variable(String),
    /// A text with several `$variables`.
    Template(Template),
    /// The text itself: one counter for everything.
    Constant(String),
}

impl KeySource {
    /// One variable, by APISIX's name or by an alias (`client_ip`, `header_x`, `query_arg_x`).
    #[must_use]
    pub fn variable(name: &str) -> Self {
        KeySource::Variable(canonical(name).into_owned())
    }

    /// A template; a leading `$` belongs to each variable.
    #[must_use]
    pub fn template(text: &str) -> Self {
        KeySource::Template(Template::parse(text))
    }

    /// The key of this request; `None` when no variable of it has a value.
    #[must_use]
    pub fn resolve<'c>(&'c self, context: &'c Context) -> Option<Cow<'c, str>> {
        match self {
            KeySource::Variable(name) => Variables::get(context, name).map(text_of),
            KeySource::Template(template) => {
                let rendered = template.render(&Aliased(context));
                (rendered.resolved > 0).then_some(Cow::Owned(rendered.text))
            }
            KeySource::Constant(text) => Some(Cow::Borrowed(text)),
        }
    }

    /// The key of this request, or the client's address when it resolves to nothing.
    #[must_use]
    pub fn resolve_or_client<'c>(&'c self, context: &'c Context) -> Cow<'c, str> {
        self.resolve(context)
            .unwrap_or_else(|| Cow::Owned(context.request.client_ip.to_string()))
    }
}

/// Variables under their own names and under the aliases of [`canonical`].
pub struct Aliased<'a>(pub &'a dyn Variables);

impl Variables for Aliased<'_> {
    fn get(&self, name: &str) -> Option<Var<'_>> {
        self.0.get(name).or_else(|| match canonical(name) {
            Cow::Owned(other) => self.0.get(&other),
            Cow::Borrowed(other) if other != name => self.0.get(other),
            Cow::Borrowed(_) => None,
        })
    }
}

/// The variable that an alias stands for; other names as they are.
#[must_use]
pub fn canonical(name: &str) -> Cow<'_, str> {
    if name == "client_ip" {
        Cow::Borrowed("remote_addr")
    } else if let Some(header) = name.strip_prefix("header_") {
        Cow::Owned(format!(
            "http_{}",
            header.to_ascii_lowercase().replace('-', "_")
        ))
    } else if let Some(argument) = name.strip_prefix("query_arg_") {
        Cow::Owned(format!("arg_{argument}"))
    } else {
        Cow::Borrowed(name)
    }
}

/// A variable as one text; lists are joined by commas.
#[must_use]
pub fn text_of(value: Var<'_>) -> Cow<'_, str> {
    match value {
        Var::Text(text) => text,
        Var::List(items) => Cow::Owned(items.join(",")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::{FakeHost, request};

    #[test]
    fn aliases_stand_for_variables() {
        assert_eq!(canonical("client_ip"), "remote_addr");
        assert_eq!(canonical("header_X-Api-Key"), "http_x_api_key");
        assert_eq!(canonical("query_arg_user"), "arg_user");
        assert_eq!(canonical("consumer_name"), "consumer_name");
    }

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
