use std::path::PathBuf;

use serde_json::json;

use super::{FileLogger, append};
use crate::logging::{self, tests::entries};
use crate::tests::refusal;

#[test]
fn a_file_is_made_and_appended_to() {
    let path = std::env::temp_dir().join(format!("weir-file-logger-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    for _ in 0..2 {
        append(&path, &logging::lines(&entries(1))).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        "{\"n\":0}\n{\"n\":0}\n"
    );
    std::fs::remove_file(&path).unwrap();
    let failed = append(&PathBuf::from("/nowhere/x"), "a").unwrap_err();
    assert!(failed.starts_with("/nowhere/x: "), "{}", failed);
}

#[test]
fn wrong_configurations_are_refused() {
    assert_eq!(
        refusal::<FileLogger>(json!({})),
        "property \"path\" is required"
    );
    let text = refusal::<FileLogger>(json!({"path": "/x", "match": [[["a"]]]}));
    assert!(
        text.starts_with("failed to validate the 'match' expression"),
        "{text}"
    );
}
