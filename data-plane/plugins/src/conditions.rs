//! Conditions of the plugins that act on some requests only: the field `vars`, `match` or `case`.

use serde_json::Value;
use weir_model::field::expr::Expr;

/// Compiles the expression in the field `name`.
///
/// # Errors
/// What is wrong with it, with APISIX's words before it.
pub(crate) fn expression(name: &str, value: &Value) -> Result<Expr, String> {
    Expr::parse(value)
        .map_err(|reason| format!("failed to validate the '{name}' expression: {reason}"))
}
