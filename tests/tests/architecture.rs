//! The edges between our crates are those that ARCHITECTURE.md allows: a new arrow is a decision.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Crate and the crates of ours that it may use (ARCHITECTURE.md section 2).
const ALLOWED: &[(&str, &[&str])] = &[
    ("weir-model", &[]),
    ("weir-net", &[]),
    ("weir-proto", &["weir-model"]),
    ("weir-discovery", &["weir-model", "weir-net"]),
    ("weir-store", &["weir-model"]),
    ("weir-raft", &["weir-store", "weir-model", "weir-proto"]),
    (
        "weir-control",
        &[
            "weir-raft",
            "weir-store",
            "weir-discovery",
            "weir-plugins",
            "weir-plugin-api",
            "weir-proxy",
            "weir-proto",
            "weir-model",
            "weir-net",
        ],
    ),
    ("weir-cli", &["weir-discovery", "weir-proto", "weir-model"]),
    ("weir-plugin-api", &["weir-model"]),
    ("weir-plugins", &["weir-plugin-api", "weir-model"]),
    ("weir-proxy", &["weir-plugin-api", "weir-model", "weir-net"]),
    ("weir-clients", &["weir-plugin-api", "weir-net"]),
    (
        "weir-agent",
        &[
            "weir-proxy",
            "weir-clients",
            "weir-plugins",
            "weir-plugin-api",
            "weir-proto",
            "weir-model",
            "weir-net",
        ],
    ),
    ("weir", &["weir-control", "weir-agent", "weir-cli"]),
    ("weir-reader", &[]),
];

/// Crates that may use everything.
const FREE: &[&str] = &["weir-tests", "weir-bench"];

#[test]
fn crates_use_only_what_the_architecture_allows() {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo metadata");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("metadata is JSON");
    let allowed: BTreeMap<&str, BTreeSet<&str>> = ALLOWED
        .iter()
        .map(|(name, uses)| (*name, uses.iter().copied().collect()))
        .collect();
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().expect("packages") {
        let name = package["name"].as_str().expect("name");
        if FREE.contains(&name) {
            continue;
        }
        let Some(uses) = allowed.get(name) else {
            wrong.push(format!("{name} is not in the table"));
            continue;
        };
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let used = dependency["name"].as_str().expect("name");
            // Tests of a crate may use more than the crate itself.
            if dependency["kind"] == "dev" || !used.starts_with("weir-") {
                continue;
            }
            if !uses.contains(used) {
                wrong.push(format!("{name} must not use {used}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
