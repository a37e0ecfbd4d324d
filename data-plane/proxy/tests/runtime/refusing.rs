//! What cannot be used keeps its last good form, until it is mended or removed.

use serde_json::{Value, json};
use weir_model::ResourceSet;
use weir_plugin_api::testkit::request;
use weir_proxy::runtime::{CompileEnv, Findings, Report, Runtime, compile};

use super::compiling::MODE;
use super::setup::{env, put, remove};

/// The resources of findings.
pub(crate) fn keys(findings: &Findings) -> Vec<String> {
    findings.iter().map(|(key, _)| key.to_string()).collect()
}

/// Compiles on top of what was before.
struct Steps {
    env: CompileEnv,
    set: ResourceSet,
    runtime: Option<Runtime>,
}

impl Steps {
    fn compile(&mut self) -> Report {
        let (next, report) = compile(&self.set, self.runtime.as_ref(), &self.env);
        self.runtime = Some(next);
        report
    }

    fn finds(&self, path: &str) -> bool {
        let runtime = self.runtime.as_ref().unwrap();
        runtime.route(&request(path).head()).is_some()
    }
}

#[test]
fn a_resource_that_cannot_be_used_keeps_its_last_good_form_until_it_is_mended_or_removed() {
    let mut steps = Steps {
        env: env(MODE),
        set: ResourceSet::default(),
        runtime: None,
    };
    let route = |uri: Value| json!({"uri": uri, "upstream_id": "u"});
    put(
        &mut steps.set,
        "upstreams/u",
        json!({"nodes": {"127.0.0.1:1": 1}}),
    );
    put(&mut steps.set, "routes/r", route(json!("/good")));
    steps.compile();

    put(&mut steps.set, "routes/r", route(json!(5)));
    put(&mut steps.set, "routes/other", route(json!("/other")));
    assert_eq!(keys(&steps.compile().refused), ["routes/r"]);
    assert!(steps.finds("/good") && steps.finds("/other"));

    // It stays refused, and kept, while other things change.
    put(&mut steps.set, "routes/third", route(json!("/third")));
    assert_eq!(keys(&steps.compile().refused), ["routes/r"]);
    assert!(steps.finds("/good") && steps.finds("/third"));

    put(&mut steps.set, "routes/r", route(json!("/mended")));
    assert!(steps.compile().refused.is_empty());
    assert!(steps.finds("/mended") && !steps.finds("/good"));

    remove(&mut steps.set, "routes/r");
    steps.compile();
    assert!(!steps.finds("/mended"));
}

#[test]
fn each_kind_of_resource_that_cannot_be_used_keeps_its_last_good_form() {
    let good = [
        ("upstreams/1", json!({"nodes": {"127.0.0.1:1": 1}})),
        (
            "services/1",
            json!({"upstream_id": 1, "plugins": {"prometheus": {}}}),
        ),
        ("plugin_configs/1", json!({"plugins": {"prometheus": {}}})),
        ("global_rules/1", json!({"plugins": {"prometheus": {}}})),
        ("consumer_groups/1", json!({"plugins": {"prometheus": {}}})),
        (
            "consumers/jack",
            json!({"username": "jack", "plugins": {"key-auth": {"key": "k"}}}),
        ),
        (
            "credentials/jack/1",
            json!({"plugins": {"key-auth": {"key": "l"}}}),
        ),
        (
            "routes/1",
            json!({"uri": "/", "service_id": 1, "plugins": {"prometheus": {}}}),
        ),
    ];
    let mut steps = Steps {
        env: env(MODE),
        set: ResourceSet::default(),
        runtime: None,
    };
    for (key, spec) in &good {
        put(&mut steps.set, key, spec.clone());
    }
    assert!(steps.compile().refused.is_empty());
    let described = |steps: &Steps| {
        let text = steps.runtime.as_ref().unwrap().describe();
        text.split_once('\n').unwrap().1.to_owned()
    };
    let before = described(&steps);
    for (key, spec) in &good {
        put(&mut steps.set, key, json!({"plugins": 7, "nodes": 7}));
        assert_eq!(keys(&steps.compile().refused), [*key]);
        assert_eq!(described(&steps), before, "{key}");
        put(&mut steps.set, key, spec.clone());
        assert!(steps.compile().refused.is_empty(), "{key}");
        assert_eq!(described(&steps), before, "{key}");
    }
}

#[test]
fn a_key_that_two_consumers_show_falls_to_the_other_when_one_goes() {
    let env = env(MODE);
    let mut set = ResourceSet::default();
    let consumer = |name: &str| json!({"username": name, "plugins": {"key-auth": {"key": "k"}}});
    put(&mut set, "consumers/a", consumer("a"));
    put(&mut set, "consumers/b", consumer("b"));
    let (both, _) = compile(&set, None, &env);
    let holder = |runtime: &Runtime| {
        let found = runtime.host().find_consumer("key-auth", "k");
        found.map(|consumer| consumer.name.clone())
    };
    assert_eq!(holder(&both).as_deref(), Some("b"), "the last one counts");
    remove(&mut set, "consumers/b");
    let (one, _) = compile(&set, Some(&both), &env);
    assert_eq!(holder(&one).as_deref(), Some("a"));
    assert_eq!(holder(&both).as_deref(), Some("b"));
}
