//! The sample settings in `deploy/samples` load, and the wrong one is refused with a hint.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::num::NonZeroUsize;
use std::path::PathBuf;

fn sample(name: &str) -> Option<PathBuf> {
    Some(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/samples")).join(name))
}

#[test]
fn the_control_sample_loads() {
    let options = weir_control::Options {
        config: sample("control.yaml"),
        ..weir_control::Options::default()
    };
    weir_control::config::load(options).unwrap();
}

#[test]
fn the_agent_sample_loads_and_the_wrong_one_names_the_nearest_key() {
    let load = |name: &str| {
        let options = weir_agent::Options {
            config: sample(name),
            ..weir_agent::Options::default()
        };
        weir_agent::Settings::load(options, "host", NonZeroUsize::MIN)
    };
    load("agent.yaml").unwrap();
    let error = load("agent.wrongkey.yaml").unwrap_err().to_string();
    assert!(error.contains("apisix.delete_uri_tail_slahs"), "{error}");
    assert!(error.contains("delete_uri_tail_slash"), "{error}");
}
