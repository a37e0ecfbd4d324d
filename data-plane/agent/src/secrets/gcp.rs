//! Google Cloud Secret Manager.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode, Uri};
use serde_json::{Value, json};
use weir_model::secret::{Gcp, GcpAccount};
use weir_plugin_api::outside::{HttpCall, Outside};
use weir_plugins::service_account::{Grant, ServiceKey};

use super::environment::resolved;
use super::reference::field;

const LIMIT: Duration = Duration::from_secs(5);
const GRANT: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";

/// Reads one value.
///
/// # Errors
/// Why there is none.
pub(super) async fn read(
    outside: &dyn Outside,
    gcp: &Gcp,
    name: &str,
    key: &str,
) -> Result<String, String> {
    let account = account(gcp)?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let uri = |text: &str| text.parse::<Uri>().map_err(|_| format!("no URL: {text:?}"));
    let mut call = HttpCall::new(Method::POST, uri(&account.token_uri)?);
    call.timeout = LIMIT;
    call.verify = gcp.ssl_verify;
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    call.headers.insert(CONTENT_TYPE, form);
    call.body = Bytes::from(format!("{GRANT}{}", assertion(&account, now.as_secs())?));
    let answer = json_of(outside, call).await?;
    let token = answer.get("access_token").and_then(Value::as_str);
    let token = token.ok_or("the manager gave no access token")?;
    let place = format!(
        "{}/projects/{}/secrets/{name}/versions/latest:access",
        account.entries_uri.trim_end_matches('/'),
        account.project_id
    );
    let mut call = HttpCall::new(Method::GET, uri(&place)?);
    call.timeout = LIMIT;
    call.verify = gcp.ssl_verify;
    let value = HeaderValue::from_str(&format!("Bearer {token}"));
    let mut value = value.map_err(|_| "the access token cannot stand in a header".to_owned())?;
    value.set_sensitive(true);
    call.headers.insert(AUTHORIZATION, value);
    let answer = json_of(outside, call).await?;
    let data = answer
        .get("payload")
        .and_then(|payload| payload.get("data")?.as_str());
    let data = data.and_then(|data| STANDARD.decode(data).ok());
    let data = data.ok_or("the answer of the manager has no payload")?;
    let values: Value =
        serde_json::from_slice(&data).map_err(|_| "the secret is no JSON".to_owned())?;
    field(&values, key)
}

fn account(gcp: &Gcp) -> Result<GcpAccount, String> {
    match (&gcp.auth_config, &gcp.auth_file) {
        (Some(account), _) => Ok(account.clone()),
        (None, Some(path)) => {
            let text = std::fs::read(path).map_err(|error| format!("auth_file: {error}"))?;
            let mut account: Value =
                serde_json::from_slice(&text).map_err(|_| "auth_file is no JSON".to_owned())?;
            let fields = account
                .as_object_mut()
                .ok_or("auth_file is no JSON object")?;
            for (name, default) in [
                ("token_uri", json!("https://oauth2.googleapis.com/token")),
                (
                    "scope",
                    json!(["https://www.googleapis.com/auth/cloud-platform"]),
                ),
                (
                    "entries_uri",
                    json!("https://secretmanager.googleapis.com/v1"),
                ),
            ] {
                fields.entry(name).or_insert(default);
            }
            serde_json::from_value(account).map_err(|error| format!("auth_file: {error}"))
        }
        (None, None) => Err("auth_config or auth_file is required".into()),
    }
}

/// The signed request for a token (RFC 7523).
fn assertion(account: &GcpAccount, now: u64) -> Result<String, String> {
    let key = ServiceKey::from_pkcs8(&resolved(&account.private_key)?);
    let key = key.ok_or("private_key is no RSA key in PEM")?;
    let grant = Grant {
        client_email: &account.client_email,
        token_uri: &account.token_uri,
        scope: &account.scope.join(" "),
    };
    let assertion = key.assertion(&grant, now);
    assertion.ok_or_else(|| "a request could not be signed".to_owned())
}

async fn json_of(outside: &dyn Outside, call: HttpCall) -> Result<Value, String> {
    let answer = outside
        .http(call)
        .await
        .map_err(|error| error.to_string())?;
    if answer.status != StatusCode::OK {
        return Err(format!("the manager answers {}", answer.status.as_u16()));
    }
    serde_json::from_slice(&answer.body)
        .map_err(|_| "the answer of the manager is no JSON".to_owned())
}
