use std::path::PathBuf;

use serde_json::json;
use weir_model::{Key, Kind};
use weir_plugin_api::Living;

use super::{FileLogger, append};
use crate::logging::{self, tests::entries};
use crate::tests::{compile, compile_in, on_route, refusal};

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
    // Only whoever has the metadata knows that there is no path.
    let owner = Key::new(Kind::Route, "r");
    let context = on_route(&owner, "f", &Living::default(), None);
    let refused = compile_in::<FileLogger>(json!({}), &context).err();
    assert_eq!(refused.as_deref(), Some("property \"path\" is required"));
    assert!(compile::<FileLogger>(json!({})).is_ok());
    let text = refusal::<FileLogger>(json!({"path": "/x", "match": [[["a"]]]}));
    assert!(
        text.starts_with("failed to validate the 'match' expression"),
        "{text}"
    );
}
