//! Paths: one meaning, which survives being sent.
#![no_main]

#[allow(dead_code, reason = "each target uses its part")]
#[path = "../../data-plane/proxy/tests/strict/agree.rs"]
mod agree;

libfuzzer_sys::fuzz_target!(|raw: &str| agree::path(raw));
