use std::collections::HashSet;

use super::*;

fn of(name: &str) -> Source {
    Variable::parse(name).source().clone()
}

#[test]
fn names_say_where_a_value_comes_from() {
    for (name, source) in [
        ("uri", Source::Known(Known::Uri)),
        ("http_x_api_version", Source::Header("x-api-version".into())),
        ("http_X-Api-Version", Source::Header("x-api-version".into())),
        ("sent_http_etag", Source::SentHeader("etag".into())),
        ("arg_User_id", Source::Argument("User_id".into())),
        ("cookie_Session_Id", Source::Cookie("Session_Id".into())),
        ("post_arg_model", Source::FormField("model".into())),
        ("uri_param_id", Source::Parameter("id".into())),
        ("12", Source::Parameter("12".into())),
        ("http_", Source::Unknown),
        ("http_a b", Source::Unknown),
        ("arg_", Source::Unknown),
        ("", Source::Unknown),
        ("a1", Source::Unknown),
    ] {
        assert_eq!(of(name), source, "{name}");
    }
    assert!(matches!(of("post_arg.a[*].b"), Source::BodyPath(_)));
    assert_eq!(of("post_arg.a["), Source::Unknown);
}

#[test]
fn aliases_are_the_variable_that_they_stand_for() {
    for (alias, name) in [
        ("client_ip", "remote_addr"),
        ("header_X-Tenant", "http_x_tenant"),
        ("query_arg_user", "arg_user"),
        ("query_string", "args"),
    ] {
        assert_eq!(Variable::parse(alias), Variable::parse(name));
    }
    assert_ne!(Variable::parse("nope"), Variable::parse("nope2"));
}

#[test]
fn a_name_that_means_nothing_is_refused_with_what_was_meant() {
    assert_eq!(
        Variable::known("remote_adr").unwrap_err(),
        "unknown variable 'remote_adr'; did you mean 'remote_addr'?"
    );
    assert_eq!(
        Variable::known("weather").unwrap_err(),
        "unknown variable 'weather'; expected a name such as uri, host, remote_addr, arg_NAME, \
         http_NAME, cookie_NAME, uri_param_NAME or post_arg.PATH"
    );
    let error = Variable::known("post_arg.messages[.content").unwrap_err();
    assert!(
        error.starts_with("invalid expression: variable 'post_arg.messages[.content': "),
        "{error}"
    );
}

#[test]
fn what_needs_the_body_is_known_as_such() {
    for (name, needed) in [
        ("post_arg_a", true),
        ("post_arg.a", true),
        ("graphql_name", true),
        ("request_body", true),
        ("content_length", false),
        ("http_a", false),
    ] {
        assert_eq!(Variable::parse(name).is_of_body(), needed, "{name}");
    }
}

#[test]
fn no_name_stands_twice() {
    let names: HashSet<&str> = Known::names().collect();
    assert_eq!(names.len(), Known::names().count());
}

#[test]
fn the_page_of_variables_has_every_fixed_name() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/variables.md");
    let page = std::fs::read_to_string(path).unwrap();
    for name in Known::names() {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn values_become_texts() {
    let text = |value: Value| Var::Json(value).into_text();
    assert_eq!(text(serde_json::json!(1.0)), "1");
    assert_eq!(text(serde_json::json!(["a", 2, true])), "a,2,true");
    assert_eq!(Var::Text("x".into()).into_text(), "x");
}
