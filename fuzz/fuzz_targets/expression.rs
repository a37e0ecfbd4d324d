//! Expressions of `vars`: whatever compiles can be evaluated, and says why it does not hold.
#![no_main]

use serde_json::Value;
use weir_model::field::expr::Expr;
use weir_plugin_api::Context;
use weir_plugin_api::testkit::{FakeHost, request};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Ok(value) = serde_json::from_slice::<Value>(input) else {
        return;
    };
    let Ok(expression) = Expr::parse(&value) else {
        return;
    };
    let head = request("/a/b?a=1&b=x%20y")
        .header("x-a", "1")
        .header("cookie", "a=1")
        .head();
    let context = Context::new(head, FakeHost::shared());
    let holds = expression.eval(&context);
    assert_eq!(holds, expression.failure(&context).is_none(), "{value}");
});
