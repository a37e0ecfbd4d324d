//! The index of routes against a walk over all of them. The input is one pattern a line, and at
//! last the path of the request.
#![no_main]

use std::sync::{Arc, LazyLock};

use serde_json::json;
use weir_model::endpoint::Endpoints;
use weir_model::{Key, Resource, ResourceSet};
use weir_plugin_api::Living;
use weir_plugin_api::outside::Unreachable;
use weir_plugin_api::testkit::request;
use weir_proxy::router::RouterSettings;
use weir_proxy::runtime::{CompileEnv, SystemEnvironment, compile};

static ENVIRONMENT: LazyLock<CompileEnv> = LazyLock::new(|| CompileEnv {
    plugins: &[],
    stream_plugins: &[],
    endpoints: Endpoints::default(),
    living: Living::default(),
    settings: RouterSettings::default(),
    environment: Arc::new(SystemEnvironment::new("fuzz")),
    attributes: weir_plugin_api::Attributes::default(),
    outside: Arc::new(Unreachable),
    tls: weir_proxy::tls::Terms::default(),
});

/// Texts and a star at the end: what else patterns may have is left out.
fn is_simple(pattern: &str) -> bool {
    let text = pattern.strip_suffix('*').unwrap_or(pattern);
    text.starts_with('/')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'/')
}

fn fits(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => path == pattern,
    }
}

libfuzzer_sys::fuzz_target!(|input: &str| {
    let mut lines: Vec<&str> = input.lines().take(12).collect();
    let Some(path) = lines
        .pop()
        .filter(|path| is_simple(path) && !path.ends_with('*'))
    else {
        return;
    };
    lines.retain(|pattern| is_simple(pattern));
    let mut set = ResourceSet::default();
    for (number, pattern) in lines.iter().enumerate() {
        set.revision += 1;
        let key: Key = format!("routes/r{number}").parse().expect("a key");
        let spec = json!({"uri": pattern, "upstream": {"nodes": {"127.0.0.1:1": 1}}});
        let resource = Resource {
            key: key.clone(),
            spec: Arc::new(spec),
            created: set.revision,
            modified: set.revision,
            create_time: 1,
            update_time: 1,
            expires_at_ms: None,
        };
        set.resources.insert(key, Arc::new(resource));
    }
    let (runtime, report) = compile(&set, None, &ENVIRONMENT);
    assert!(report.refused.is_empty(), "{:?}", report.refused);
    let head = request(path).head();
    let found = runtime.route(&head).map(|found| found.matched_uri());
    let wanted = lines
        .iter()
        .filter(|pattern| fits(pattern, path))
        .max_by_key(|pattern| (!pattern.ends_with('*'), pattern.len()));
    assert_eq!(found.as_deref(), wanted.copied(), "{lines:?} {path}");
});
