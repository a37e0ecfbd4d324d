use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::{BoxFuture, ready};
use serde_json::{Value, json};
use weir_plugin_api::outside::{CallError, LdapServer, Outside, Pending};
use weir_plugin_api::testkit::{FakeHost, request};
use weir_plugin_api::{Body, Consumer, Context, Plugin, Response, Step};

use super::LdapAuth;
use crate::tests::{answer, at_once, plugin, refusal, sent};

/// A server that knows `foo` with the password `b:ar`.
#[derive(Default)]
struct Directory(Mutex<Vec<(LdapServer, String, String)>>);

impl Outside for Directory {
    fn ldap_bind(&self, server: &Arc<LdapServer>, dn: String, password: String) -> Pending<bool> {
        let is_right = (&*dn, &*password) == ("cn=foo,ou=users,dc=example", "b:ar");
        let mut seen = self.0.lock().unwrap();
        seen.push(((**server).clone(), dn, password.clone()));
        Box::pin(ready(match &*password {
            "broken" => Err(CallError::Unavailable),
            _ => Ok(is_right || password == "any"),
        }))
    }

    fn spawn(&self, _task: BoxFuture<'static, ()>) {}
}

struct Bed {
    directory: Arc<Directory>,
    host: Arc<FakeHost>,
}

impl Bed {
    fn new() -> Self {
        let (directory, host) = (Arc::<Directory>::default(), FakeHost::shared());
        host.set_outside(Arc::clone(&directory) as Arc<dyn Outside>);
        host.add_key(
            "ldap-auth",
            "cn=foo,ou=users,dc=example",
            Consumer {
                name: "jack".into(),
                ..Consumer::default()
            },
        );
        Self { directory, host }
    }

    fn send(&self, extra: Value, field: Option<&str>) -> (Option<Response>, Context) {
        let mut config = json!({"base_dn": "ou=users,dc=example", "ldap_uri": "ldap.test:1389"});
        config
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        let mut builder = request("/");
        if let Some(field) = field {
            builder = builder.header("authorization", field);
        }
        let mut context = builder.context(Arc::clone(&self.host));
        let plugin = plugin::<LdapAuth>(config);
        let step = match plugin.rewrite(&mut context) {
            Step::Wait(future) => at_once(Step::Wait(future)),
            Step::Respond(response) => Step::Respond(response),
            _ => panic!("neither waits nor refuses"),
        };
        (answer(step), context)
    }
}

fn basic(pair: &str) -> String {
    format!("Basic {}", STANDARD.encode(pair))
}

#[test]
fn whoever_the_server_knows_is_a_consumer() {
    let bed = Bed::new();
    let (response, context) = bed.send(json!({"hide_credentials": true}), Some(&basic("foo:b:ar")));
    assert!(response.is_none());
    assert_eq!(sent(&context, "x-consumer-username"), ["jack"]);
    assert!(sent(&context, "authorization").is_empty());
    let (_, context) = bed.send(json!({}), Some(&basic("foo:b:ar")));
    assert_eq!(sent(&context, "authorization").len(), 1);
    let seen = bed.directory.0.lock().unwrap();
    let (server, _, _) = &seen[0];
    assert_eq!(
        (&*server.host, server.port, server.tls),
        ("ldap.test", 1389, None)
    );
}

#[test]
fn each_refusal_has_its_text() {
    let bed = Bed::new();
    let refused = |field: Option<&str>| {
        let (response, context) = bed.send(json!({"realm": "corp"}), field);
        assert!(context.consumer.is_none());
        let response = response.unwrap();
        assert_eq!(response.status, 401);
        assert_eq!(response.headers[0].1, "Basic realm=\"corp\"");
        match response.body {
            Body::Json(body) => body["message"].as_str().unwrap().to_owned(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(None), "Missing authorization in request");
    for field in [
        "Bearer x",
        "Basic",
        "Basic !",
        &basic("foo"),
        &basic(&format!("foo:{}", "x".repeat(1025))),
    ] {
        assert_eq!(
            refused(Some(field)),
            "Invalid authorization in request",
            "{field}"
        );
    }
    for pair in [
        "foo:wrong",
        "foo:broken",
        "jill:any",
        "foo:",
        ":b:ar",
        "foo,ou=users:any",
    ] {
        assert_eq!(
            refused(Some(&basic(pair))),
            "Invalid user authorization",
            "{pair}"
        );
    }
    let seen = bed.directory.0.lock().unwrap();
    assert!(seen.iter().all(|(_, _, password)| !password.is_empty()));
    assert_eq!(
        seen.last().unwrap().1,
        "cn=foo\\,ou\\=users,ou=users,dc=example"
    );
}

#[test]
fn places_of_servers_are_read() {
    let place = |uri: &str, extra: Value| {
        let bed = Bed::new();
        let mut config = json!({"ldap_uri": uri});
        config
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        bed.send(config, Some(&basic("foo:x")));
        let seen = bed.directory.0.lock().unwrap();
        let (server, _, _) = &seen[0];
        (server.host.clone(), server.port, server.tls)
    };
    assert_eq!(place("a", json!({})), ("a".into(), 389, None));
    assert_eq!(
        place("ldap://a:1/", json!({"use_tls": true})),
        ("a".into(), 1, Some(false))
    );
    assert_eq!(
        place("ldaps://[::1]", json!({"tls_verify": true})),
        ("::1".into(), 636, Some(true))
    );
    for wrong in ["", "a:b", "http://a", "a:99999", "u@a"] {
        let text = refusal::<LdapAuth>(json!({"base_dn": "b", "ldap_uri": wrong}));
        assert!(text.starts_with("ldap_uri: expected HOST"), "{text}");
    }
    let text = refusal::<LdapAuth>(json!({"base_dn": "b", "ldap_uri": "a", "uid": "cn=x,o"}));
    assert_eq!(text, "uid must name an attribute, got \"cn=x,o\"");
}
