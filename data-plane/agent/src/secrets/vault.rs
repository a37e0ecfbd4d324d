//! Vault's key-value store, of both versions.

use std::time::Duration;

use http::{HeaderValue, Method, StatusCode, Uri};
use serde_json::Value;
use weir_model::secret::Vault;
use weir_plugin_api::outside::{HttpCall, Outside};

use super::environment;
use super::reference::field;

const LIMIT: Duration = Duration::from_secs(5);

/// Bytes of an answer at most.
const LARGEST: usize = 1 << 20;

/// Reads one value.
///
/// # Errors
/// Why there is none.
pub(super) async fn read(
    outside: &dyn Outside,
    vault: &Vault,
    path: &str,
    key: &str,
) -> Result<String, String> {
    let place = format!(
        "{}/v1/{}/{}",
        vault.uri.trim_end_matches('/'),
        vault.prefix.trim_matches('/'),
        path.trim_matches('/')
    );
    let uri: Uri = place
        .parse()
        .map_err(|_| "its path cannot be asked for".to_owned())?;
    let mut call = HttpCall::new(Method::GET, uri);
    call.timeout = LIMIT;
    call.max_answer = LARGEST;
    let token = environment::resolved(&vault.token)?;
    call.headers
        .insert("x-vault-token", header("token", &token)?);
    if let Some(namespace) = &vault.namespace {
        call.headers
            .insert("x-vault-namespace", header("namespace", namespace)?);
    }
    let answer = outside
        .http(call)
        .await
        .map_err(|error| error.to_string())?;
    if answer.status != StatusCode::OK {
        return Err(format!("the manager answers {}", answer.status.as_u16()));
    }
    let answer: Value = serde_json::from_slice(&answer.body)
        .map_err(|_| "the answer of the manager is no JSON".to_owned())?;
    let data = answer
        .get("data")
        .ok_or("the answer of the manager has no data")?;
    // Version 2 of the store wraps the values once more.
    match data.get("data") {
        Some(inner @ Value::Object(_)) if data.get("metadata").is_some() => field(inner, key),
        _ => field(data, key),
    }
}

fn header(field: &str, text: &str) -> Result<HeaderValue, String> {
    let value = HeaderValue::from_str(text);
    let mut value =
        value.map_err(|_| format!("{field} of the manager cannot stand in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}
