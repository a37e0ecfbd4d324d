use serde_json::json;
use weir_model::Kind;
use weir_model::endpoint::{Endpoint, EndpointSet};
use weir_proto::control::Field;

use super::*;

fn documents() -> Vec<(Key, Arc<Value>)> {
    let documents = [
        ("upstreams/u", json!({"nodes": {"127.0.0.1:1980": 1}})),
        (
            "routes/r",
            json!({"uri": "/user/:id", "upstream_id": "u", "host": "a.test"}),
        ),
    ];
    let documents = documents.into_iter();
    documents
        .map(|(key, spec)| (key.parse().unwrap(), Arc::new(spec)))
        .collect()
}

fn ask(url: &str) -> ExplainRequest {
    ExplainRequest {
        url: url.to_owned(),
        ..ExplainRequest::default()
    }
}

#[test]
fn the_mode_decides_what_a_path_means() {
    let mut request = ask("http://a.test/user/7");
    let answer = offline(documents(), &request).unwrap();
    assert_eq!((answer.reason.as_str(), answer.status), ("no_route", 404));
    assert_eq!(answer.router_mode, "radixtree_host_uri");
    request.router_mode = "radixtree_uri_with_parameter".to_owned();
    let answer = offline(documents(), &request).unwrap();
    let route = answer.route.unwrap();
    assert_eq!(route.key.unwrap().id, "r");
    assert!(answer.upstream.unwrap().nodes[0].port == 1980);
}

#[test]
fn what_is_wrong_with_a_question_is_named() {
    let field = |name: &str, value: &str| Field {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    let with = |change: fn(&mut ExplainRequest)| {
        let mut request = ask("/");
        change(&mut request);
        request
    };
    let mut bad_header = ask("/");
    bad_header.headers = vec![field("x", "1"), field("a b", "1")];
    for (request, path) in [
        (ask("ftp://a/"), "url"),
        (ask("a b"), "url"),
        (ask(""), "url"),
        (with(|request| request.method = "G T".to_owned()), "method"),
        (
            with(|request| request.remote_addr = "here".to_owned()),
            "remote_addr",
        ),
        (
            with(|request| request.router_mode = "radix".to_owned()),
            "router_mode",
        ),
        (bad_header, "headers[1]"),
    ] {
        let problems = offline(documents(), &request).unwrap_err();
        assert_eq!(problems[0].1.path, path);
        assert!(
            problems[0].1.message.starts_with("expected "),
            "{problems:?}"
        );
    }
}

#[test]
fn nodes_of_registries_are_told_and_their_absence_is() {
    let spec = json!({
        "service_name": "web", "discovery_type": "consul", "type": "roundrobin",
    });
    let upstream: Key = "upstreams/u".parse().unwrap();
    let lookup = weir_model::endpoint::lookups(Kind::Upstream, &spec).remove(0);
    let route = json!({"uri": "/*", "upstream_id": "u"});
    let documents = vec![
        (upstream, Arc::new(spec)),
        ("routes/r".parse().unwrap(), Arc::new(route)),
    ];
    let answer = offline(documents.clone(), &ask("/")).unwrap();
    assert_eq!(answer.reason, "no_nodes");
    assert_eq!(answer.upstream.unwrap().key.unwrap().id, "u");
    assert!(answer.notes[0].contains("consul"), "{:?}", answer.notes);

    let mut subject = Subject::default();
    for (key, spec) in documents {
        let resource = stored(key.clone(), spec, 1);
        subject.set.resources.insert(key, Arc::new(resource));
    }
    let explainer = Explainer::default();
    let answer = explainer.explain(&subject, &ask("/")).unwrap();
    assert_eq!(answer.reason, "no_nodes");
    let found = EndpointSet::new([Endpoint::new("10.0.0.1", Some(81))]).unwrap();
    subject.endpoints.insert(lookup.key(), Arc::new(found));
    let answer = explainer.explain(&subject, &ask("/")).unwrap();
    assert_eq!(answer.reason, "");
    assert_eq!(answer.upstream.unwrap().nodes[0].host, "10.0.0.1");
}

#[test]
fn documents_that_a_write_would_refuse_are_refused() {
    let key: Key = "routes/r".parse().unwrap();
    let spec =
        Arc::new(json!({"uri": "/", "upstream": {"nodes": {}}, "vars": [["nope", "==", "1"]]}));
    let problems = offline(vec![(key.clone(), spec)], &ask("/")).unwrap_err();
    assert_eq!(problems[0].0, Some(key));
    assert_eq!(problems[0].1.path, "vars[0]");
}

#[test]
fn a_state_is_compiled_once_and_forgotten_in_time() {
    let explainer = Explainer::default();
    let subject = Subject::default();
    let first = explainer.runtime(&subject, RouterMode::HostUri);
    assert!(Arc::ptr_eq(
        &first,
        &explainer.runtime(&subject, RouterMode::HostUri)
    ));
    assert!(!Arc::ptr_eq(
        &first,
        &explainer.runtime(&subject, RouterMode::Uri)
    ));
    assert!(explainer.wants_tidying() && !explainer.wants_tidying());
    assert!(!explainer.tidy());
    assert!(explainer.kept.lock().unwrap().is_some());
    let long_ago = Instant::now().checked_sub(KEPT);
    if let (Some(kept), Some(then)) = (explainer.kept.lock().unwrap().as_mut(), long_ago) {
        kept.used = then;
    }
    assert!(explainer.tidy() || long_ago.is_none());
    assert!(explainer.wants_tidying() || long_ago.is_none());
}
