//! What a rule does.

use http::StatusCode;
use serde_json::{Value, json};
use weir_model::field::number;
use weir_model::schema;
use weir_plugin_api::{CompileContext, CompiledPlugin, Response};

use crate::Builtin;

/// An action, ready to be run.
pub(super) enum Action {
    /// Answers.
    Return(Response),
    /// Does what the plugin of this name does.
    Run(&'static str, CompiledPlugin),
}

impl Action {
    /// Reads `[name, configuration]`; `rule` is the position of its rule.
    ///
    /// # Errors
    /// The action is not known, or its configuration is wrong.
    pub(super) fn compile(
        action: &[Value],
        rule: usize,
        context: &CompileContext<'_>,
    ) -> Result<Self, String> {
        let name = action.first().unwrap_or(&Value::Null);
        let config = action.get(1).cloned();
        let config = config.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        let name = name
            .as_str()
            .ok_or_else(|| format!("unsupported action: {name}"))?;
        let wrong = |problem: String| format!("failed to validate the '{name}' action: {problem}");
        match name {
            "return" => answer(config).map(Action::Return).map_err(wrong),
            "limit-count" | "limit-conn" => run(name, config, rule, context).map_err(wrong),
            _ => Err(format!("unsupported action: {name}")),
        }
    }
}

fn answer(mut config: Value) -> Result<Response, String> {
    let schema = json!({
        "type": "object",
        "properties": {"code": {"type": "integer", "minimum": 100, "maximum": 599}},
        "required": ["code"],
    });
    schema::check(&schema, &mut config).map_err(|problem| problem.message)?;
    let code = config.get("code").unwrap_or(&Value::Null);
    let status = code.as_number().and_then(number::integral);
    let status = status.and_then(|code| u16::try_from(code).ok());
    // Others announce an answer, and are none.
    let status = status.filter(|code| *code >= 200);
    match status.and_then(|code| StatusCode::from_u16(code).ok()) {
        Some(status) => Ok(Response::error_msg(status, "rejected by workflow")),
        None => Err(format!("code must be a status of 200 to 599, got {code}")),
    }
}

fn run(
    name: &str,
    mut config: Value,
    rule: usize,
    context: &CompileContext<'_>,
) -> Result<Action, String> {
    if config.get("group").is_some() {
        return Err("group is not supported".into());
    }
    let Some(entry) = Builtin.entry(name) else {
        return Err("there is no such plugin".into());
    };
    schema::check(entry.schema(), &mut config).map_err(|problem| problem.message)?;
    let inside = CompileContext {
        owner: context.owner,
        metadata: context.metadata.clone(),
        // Rules count apart.
        fingerprint: format!("{}\u{0}{rule}", context.fingerprint),
        living: context.living.clone(),
        attributes: context.attributes.clone(),
        outside: std::sync::Arc::clone(&context.outside),
        upstreams: context.upstreams,
        protos: context.protos,
    };
    let plugin = entry.compile(&config, &inside)?;
    Ok(Action::Run(entry.name, plugin))
}
