//! Heads of requests: the product and the second reader agree.
#![no_main]

#[allow(dead_code, reason = "each target uses its part")]
#[path = "../../data-plane/proxy/tests/strict/agree.rs"]
mod agree;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let size = usize::from(input.first().copied().unwrap_or(0));
    agree::request_head(input.get(1..).unwrap_or_default(), &[size]);
});
