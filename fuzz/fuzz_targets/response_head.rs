//! Heads of answers: the product and the second reader agree.
#![no_main]

use http::Method;

#[allow(dead_code, reason = "each target uses its part")]
#[path = "../../data-plane/proxy/tests/strict/agree.rs"]
mod agree;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let first = input.first().copied().unwrap_or(0);
    let asked = if first < 128 {
        Method::GET
    } else {
        Method::HEAD
    };
    let size = usize::from(first % 128);
    agree::response_head(input.get(1..).unwrap_or_default(), &asked, &[size]);
});
