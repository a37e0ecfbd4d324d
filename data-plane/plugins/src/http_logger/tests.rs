use serde_json::json;

use super::{HttpLogger, Join, text};
use crate::logging::tests::entries;
use crate::tests::refusal;

#[test]
fn batches_are_json_or_lines() {
    let text = |join, single, count| text(join, single, &entries(count));
    assert_eq!(text(Join::Json, true, 1), r#"{"n":0}"#);
    assert_eq!(text(Join::Json, false, 1), r#"[{"n":0}]"#);
    assert_eq!(text(Join::Json, false, 2), r#"[{"n":0},{"n":1}]"#);
    assert_eq!(text(Join::NewLine, false, 2), "{\"n\":0}\n{\"n\":1}");
}

#[test]
fn places_and_credentials_are_checked() {
    refusal::<HttpLogger>(json!({}));
    refusal::<HttpLogger>(json!({"uri": "nowhere"}));
    let text = refusal::<HttpLogger>(json!({"uri": "http://a", "auth_header": "a\nb"}));
    assert_eq!(text, "auth_header must be able to stand in a header");
    let nested = json!({"a": {"b": {"c": {"d": {"e": {}}}}}});
    let text = refusal::<HttpLogger>(json!({"uri": "http://a", "log_format": nested}));
    assert_eq!(
        text,
        "log_format.a.b.c.d.e: expected at most 5 objects inside each other"
    );
    let config =
        json!({"uri": "http://a", "include_req_body": true, "include_req_body_expr": [["a"]]});
    let text = refusal::<HttpLogger>(config);
    assert!(
        text.starts_with("failed to validate the 'include_req_body_expr' expression"),
        "{text}"
    );
}
