//! What answers are told apart by.

use http::Method;
use weir_model::Key;
use weir_model::field::template::Template;
use weir_model::field::variable::{Var, Variable, Variables};
use weir_plugin_api::Context;

use super::config::Parts;

/// The variable of what a client says that it is: nobody can have it who does not know it.
const CREDENTIAL: &str = "http_authorization";
/// Variables that tell who asks: a key with one of them needs no name of the consumer in front.
/// `remote_user` is none: a client can claim it without a proof.
const IDENTITIES: [&str; 2] = ["consumer_name", CREDENTIAL];

/// A variable, a literal or a template.
enum Part {
    Variable(Variable),
    Text(Template),
    Literal(String),
}

/// Variables and literals, ready to be read.
pub(super) struct Values(Vec<Part>);

impl Values {
    pub(super) fn new(parts: &Parts) -> Self {
        Self(match parts {
            Parts::Text(text) => vec![Part::Text(Template::parse(text))],
            Parts::List(texts) => texts
                .iter()
                .map(|text| match text.strip_prefix('$') {
                    Some(name) => Part::Variable(Variable::parse(name)),
                    None => Part::Literal(text.clone()),
                })
                .collect(),
        })
    }

    /// Whether the joined value is neither empty nor `0`.
    pub(super) fn hold(&self, context: &Context) -> bool {
        let mut joined = String::new();
        for part in &self.0 {
            part.append(context, &mut joined);
        }
        !joined.is_empty() && joined != "0"
    }
}

impl Part {
    fn append(&self, context: &Context, out: &mut String) {
        match self {
            Part::Variable(variable) => {
                if let Some(value) = context.get(variable).map(Var::into_text) {
                    out.push_str(&value);
                }
            }
            Part::Text(template) => out.push_str(&template.render(context).text),
            Part::Literal(text) => out.push_str(text),
        }
    }
}

/// `cache_key` with `consumer_isolation`, ready to be read.
pub(super) struct KeyMaker {
    /// What the configuration itself adds: two that differ share nothing.
    prefix: String,
    values: Values,
    isolated: bool,
    /// Whether the key names the consumer, when there is one.
    by_consumer: bool,
    /// Whether the key has the credential itself.
    by_credential: bool,
}

impl KeyMaker {
    /// # Errors
    /// A variable that no key may have.
    pub(super) fn new(parts: &Parts, isolation: bool, owner: Option<&Key>) -> Result<Self, String> {
        let texts = parts.texts();
        if let Some(method) = texts.iter().find(|text| text.contains("$request_method")) {
            return Err(format!("cache_key variable {method} unsupported"));
        }
        let identified = IDENTITIES.iter().any(|identity| names(texts, identity));
        let mut prefix = owner.map(ToString::to_string).unwrap_or_default();
        for text in texts {
            add(&mut prefix, text);
        }
        Ok(Self {
            prefix,
            values: Values::new(parts),
            isolated: isolation && !identified,
            by_consumer: (isolation && !identified) || names(texts, "consumer_name"),
            by_credential: names(texts, CREDENTIAL),
        })
    }

    /// The key of a request, and whether it belongs to whoever proved to be the one who asks. Lengths stand in front of values, so
    /// that no value can pass for another with its neighbour.
    pub(super) fn make(&self, context: &Context, method: &Method) -> (String, bool) {
        let mut key = self.prefix.clone();
        add(
            &mut key,
            context.route.as_ref().map_or("", |route| &route.id),
        );
        let personal = self.by_credential || (self.by_consumer && context.consumer.is_some());
        if self.isolated {
            let user = || {
                let variable = Variable::parse("remote_user");
                context
                    .get(&variable)
                    .map(|value| value.into_text().into_owned())
            };
            let name = context
                .consumer
                .as_ref()
                .map(|consumer| consumer.name.clone());
            let name = name.or_else(user).unwrap_or_default();
            add(&mut key, &name);
        }
        // HEAD is answered with what GET left.
        add(
            &mut key,
            if *method == Method::POST {
                "POST"
            } else {
                "GET"
            },
        );
        let mut value = String::new();
        for part in &self.values.0 {
            value.clear();
            part.append(context, &mut value);
            add(&mut key, &value);
        }
        (key, personal)
    }
}

/// Whether a variable stands in one of these texts.
fn names(texts: &[String], variable: &str) -> bool {
    let mut found = texts.iter().flat_map(|text| text.split('$').skip(1));
    found.any(|name| {
        let rest = name.trim_start_matches('{').strip_prefix(variable);
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    })
}

fn add(key: &mut String, value: &str) {
    key.push_str(&value.len().to_string());
    key.push(':');
    key.push_str(value);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use weir_plugin_api::testkit::{FakeHost, RequestBuilder, request};
    use weir_plugin_api::{Consumer, RouteInfo};

    use super::*;

    fn list(texts: &[&str]) -> Parts {
        Parts::List(texts.iter().map(|text| (*text).to_owned()).collect())
    }

    fn make(maker: &KeyMaker, request: RequestBuilder, consumer: Option<&str>) -> (String, bool) {
        let mut context = request.context(FakeHost::shared());
        context.consumer = consumer.map(|name| {
            Arc::new(Consumer {
                name: name.into(),
                ..Consumer::default()
            })
        });
        maker.make(&context, &context.request.method)
    }

    #[test]
    fn values_cannot_pass_for_others() {
        let maker = KeyMaker::new(&list(&["$arg_a", "$arg_b"]), true, None).unwrap();
        let key = |target: &str| make(&maker, request(target), None).0;
        assert_ne!(key("/?a=1&b=23"), key("/?a=12&b=3"));
        assert_ne!(key("/?a=1:1"), key("/?a=1&b=1"));
        assert_eq!(key("/?a=1&b=2"), key("/?b=2&a=1&c=3"));
    }

    #[test]
    fn consumers_have_keys_of_their_own() {
        let parts = list(&["$uri"]);
        let isolated = KeyMaker::new(&parts, true, None).unwrap();
        let shared = KeyMaker::new(&parts, false, None).unwrap();
        let (jack, personal) = make(&isolated, request("/"), Some("jack"));
        assert!(personal);
        assert_ne!(jack, make(&isolated, request("/"), Some("jill")).0);
        assert_ne!(jack, make(&isolated, request("/"), None).0);
        // Who only claims to be somebody has a key apart, but no answers of that one's own.
        let basic = || request("/").header("authorization", "Basic amFjazpwYXNz");
        let (claimed, personal) = make(&isolated, basic(), None);
        assert!(!personal);
        assert_ne!(claimed, make(&isolated, request("/"), None).0);
        let (jack, personal) = make(&shared, request("/"), Some("jack"));
        assert!(!personal);
        assert_eq!(jack, make(&shared, request("/"), Some("jill")).0);
        for (text, isolated, consumer, anybody) in [
            ("$consumer_name", false, true, false),
            ("x${consumer_name}", false, true, false),
            ("$http_authorization", false, true, true),
            ("$remote_user", true, true, false),
            ("$consumer_name_x", true, true, false),
        ] {
            let maker = KeyMaker::new(&Parts::Text(text.into()), true, None).unwrap();
            assert_eq!(maker.isolated, isolated, "{text}");
            assert_eq!(
                make(&maker, request("/"), Some("jack")).1,
                consumer,
                "{text}"
            );
            assert_eq!(make(&maker, request("/"), None).1, anybody, "{text}");
        }
    }

    #[test]
    fn routes_methods_and_configurations_are_apart() {
        let maker = KeyMaker::new(&list(&["$uri"]), true, None).unwrap();
        let get = make(&maker, request("/"), None).0;
        let head = make(&maker, request("/").method(Method::HEAD), None).0;
        let post = make(&maker, request("/").method(Method::POST), None).0;
        assert_eq!(get, head);
        assert_ne!(get, post);
        let mut context = request("/").context(FakeHost::shared());
        context.route = Some(Arc::new(RouteInfo {
            id: "2".into(),
            ..RouteInfo::default()
        }));
        assert_ne!(get, maker.make(&context, &Method::GET).0);
        let other = KeyMaker::new(&list(&["$request_uri"]), true, None).unwrap();
        assert_ne!(get, make(&other, request("/"), None).0);
    }

    #[test]
    fn conditions_hold_unless_empty_or_zero() {
        let values = Values::new(&list(&["$arg_a", "$arg_b"]));
        for (target, expected) in [
            ("/", false),
            ("/?a=0", false),
            ("/?a=0&b=0", true),
            ("/?b=x", true),
        ] {
            let context = request(target).context(FakeHost::shared());
            assert_eq!(values.hold(&context), expected, "{target}");
        }
        let text = Values::new(&Parts::Text("$arg_a".into()));
        assert!(!text.hold(&request("/?a=0").context(FakeHost::shared())));
        assert!(text.hold(&request("/?a=1").context(FakeHost::shared())));
    }

    #[test]
    fn the_method_is_not_for_keys() {
        let refused = KeyMaker::new(&list(&["$request_method"]), true, None).err();
        assert_eq!(
            refused.as_deref(),
            Some("cache_key variable $request_method unsupported")
        );
    }
}
