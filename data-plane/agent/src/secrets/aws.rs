//! AWS Secrets Manager.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode, Uri};
use serde_json::{Value, json};
use weir_model::secret::Aws;
use weir_plugin_api::outside::{HttpCall, Outside};
use weir_plugins::aws_signature::{Moment, Signer};

use super::environment::resolved;
use super::reference::field;

const LIMIT: Duration = Duration::from_secs(5);
const SERVICE: &str = "secretsmanager";
const TARGET: &str = "secretsmanager.GetSecretValue";
const JSON: &str = "application/x-amz-json-1.1";

/// Reads one value.
///
/// # Errors
/// Why there is none.
pub(super) async fn read(
    outside: &dyn Outside,
    aws: &Aws,
    name: &str,
    key: &str,
) -> Result<String, String> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let call = call(
        aws,
        name,
        u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
    )?;
    let answer = outside
        .http(call)
        .await
        .map_err(|error| error.to_string())?;
    let document: Option<Value> = serde_json::from_slice(&answer.body).ok();
    if answer.status != StatusCode::OK {
        let kind = document
            .as_ref()
            .and_then(|said| said.get("__type")?.as_str());
        let kind = kind.map(|kind| format!(" {kind:?}")).unwrap_or_default();
        return Err(format!(
            "the manager answers {}{kind}",
            answer.status.as_u16()
        ));
    }
    let text = document
        .as_ref()
        .and_then(|document| document.get("SecretString")?.as_str());
    let text = text.ok_or("the answer of the manager has no SecretString")?;
    let values: Value =
        serde_json::from_str(text).map_err(|_| "the secret is no JSON".to_owned())?;
    field(&values, key)
}

fn call(aws: &Aws, name: &str, unix_ms: u64) -> Result<HttpCall, String> {
    let region = resolved(&aws.region)?;
    let place = match &aws.endpoint_url {
        Some(place) => resolved(place)?,
        None => format!("https://{SERVICE}.{region}.amazonaws.com"),
    };
    let place = format!("{}/", place.trim_end_matches('/'));
    let uri: Uri = place
        .parse()
        .map_err(|_| "endpoint_url is no URL".to_owned())?;
    if uri.authority().is_none() {
        return Err("endpoint_url is no URL".into());
    }
    let value = |text: &str| {
        let value = HeaderValue::from_str(text);
        let mut value = value.map_err(|_| "a setting cannot stand in a header".to_owned())?;
        value.set_sensitive(true);
        Ok::<_, String>(value)
    };
    let mut call = HttpCall::new(Method::POST, uri);
    call.timeout = LIMIT;
    call.body = Bytes::from(json!({ "SecretId": name }).to_string());
    call.headers.insert(CONTENT_TYPE, value(JSON)?);
    call.headers.insert("x-amz-target", value(TARGET)?);
    if let Some(token) = &aws.session_token {
        let token = value(&resolved(token)?)?;
        call.headers.insert("x-amz-security-token", token);
    }
    let signer = Signer {
        access_key: resolved(&aws.access_key_id)?,
        secret_key: resolved(&aws.secret_access_key)?,
        region,
        service: SERVICE.into(),
    };
    let signature = signer.sign(&mut call, &Moment::of(unix_ms))?;
    call.headers.insert(AUTHORIZATION, signature);
    Ok(call)
}
