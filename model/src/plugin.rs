//! Plugin configurations as they stand on a resource, and the `_meta` part that any may carry.

use serde_json::{Map, Value};

use crate::field::expr::Expr;

/// Plugin configurations by plugin name, as written.
pub type Plugins = Map<String, Value>;

/// Field of a plugin configuration that is about running it, not part of it.
pub const META: &str = "_meta";

/// What `_meta` says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Meta {
    /// The plugin is there but does not run.
    pub disable: bool,
    /// Replaces the body of every answer of 400 or more that the plugin makes in its early phases.
    pub error_response: Option<Value>,
    /// Replaces the plugin's order value in this set of plugins.
    pub priority: Option<i32>,
    /// The plugin runs only when this holds; evaluated once per request.
    pub filter: Option<Expr>,
}

impl Meta {
    /// Reads the `_meta` of a plugin configuration; all defaults when it has none.
    ///
    /// # Errors
    /// When the filter does not compile, with APISIX's text.
    pub fn of(config: &Value) -> Result<Self, String> {
        let Some(meta) = config.get(META) else {
            return Ok(Self::default());
        };
        let filter = meta.get("filter").map(Expr::parse).transpose();
        let priority = meta.get("priority").and_then(Value::as_f64);
        Ok(Self {
            disable: is_disabled(config),
            error_response: meta.get("error_response").cloned(),
            // A float-to-int cast saturates.
            priority: priority.map(|priority| priority as i32),
            filter: filter
                .map_err(|error| format!("failed to validate the 'vars' expression: {error}"))?,
        })
    }
}

/// Whether `_meta.disable` is true.
#[must_use]
pub fn is_disabled(config: &Value) -> bool {
    let disable = config.get(META).and_then(|meta| meta.get("disable"));
    disable == Some(&Value::Bool(true))
}

/// The configuration without `_meta`: what the plugin's schema and compiler see.
#[must_use]
pub fn without_meta(config: &Value) -> Value {
    let mut config = config.clone();
    if let Some(fields) = config.as_object_mut() {
        fields.shift_remove(META);
    }
    config
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_configuration_without_meta_has_the_defaults() {
        assert_eq!(Meta::of(&json!({"count": 1})), Ok(Meta::default()));
    }

    #[test]
    fn meta_is_read_and_taken_out() {
        let config = json!({"count": 1, "_meta": {
            "disable": true, "priority": 10, "error_response": {"m": 1},
            "filter": [["arg_a", "==", "1"]]
        }});
        let meta = Meta::of(&config).unwrap();
        assert!(meta.disable);
        assert_eq!(meta.priority, Some(10));
        assert_eq!(meta.error_response, Some(json!({"m": 1})));
        assert_eq!(meta.filter.unwrap().variables()[0].name(), "arg_a");
        assert_eq!(without_meta(&config), json!({"count": 1}));
    }

    #[test]
    fn a_filter_that_does_not_compile_is_refused() {
        let error = Meta::of(&json!({"_meta": {"filter": [[]]}})).unwrap_err();
        assert_eq!(
            error,
            "failed to validate the 'vars' expression: rule too short"
        );
    }
}
