//! AWS Secrets Manager.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode, Uri};
use serde_json::{Value, json};
use weir_model::secret::Aws;
use weir_plugin_api::outside::{HttpCall, Outside};
use weir_plugin_api::vars::civil;

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
    let call = call(aws, name, now.as_secs())?;
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

fn call(aws: &Aws, name: &str, now: u64) -> Result<HttpCall, String> {
    let region = resolved(&aws.region)?;
    let place = match &aws.endpoint_url {
        Some(place) => resolved(place)?,
        None => format!("https://{SERVICE}.{region}.amazonaws.com"),
    };
    let place = format!("{}/", place.trim_end_matches('/'));
    let uri: Uri = place
        .parse()
        .map_err(|_| "endpoint_url is no URL".to_owned())?;
    let host = uri.authority().ok_or("endpoint_url is no URL")?.to_string();
    let body = json!({ "SecretId": name }).to_string();
    let time = timestamp(now);
    let token = aws.session_token.as_deref().map(resolved).transpose()?;
    let mut fields = vec![
        ("content-type", JSON),
        ("host", &host),
        ("x-amz-date", &time),
    ];
    fields.extend(
        token
            .as_deref()
            .map(|token| ("x-amz-security-token", token)),
    );
    fields.push(("x-amz-target", TARGET));
    let signer = Signer {
        key_id: &resolved(&aws.access_key_id)?,
        secret: &resolved(&aws.secret_access_key)?,
        region: &region,
        service: SERVICE,
        time: &time,
    };
    let signature = signer.authorization("POST", uri.path(), &fields, body.as_bytes());
    let mut call = HttpCall::new(Method::POST, uri);
    call.timeout = LIMIT;
    let value = |text: &str| {
        let value = HeaderValue::from_str(text);
        let mut value = value.map_err(|_| "a setting cannot stand in a header".to_owned())?;
        value.set_sensitive(true);
        Ok::<_, String>(value)
    };
    call.headers.insert(CONTENT_TYPE, value(JSON)?);
    call.headers.insert("x-amz-date", value(&time)?);
    call.headers.insert("x-amz-target", value(TARGET)?);
    if let Some(token) = &token {
        call.headers.insert("x-amz-security-token", value(token)?);
    }
    call.headers.insert(AUTHORIZATION, value(&signature)?);
    call.body = Bytes::from(body);
    Ok(call)
}

/// `20150830T123600Z`
fn timestamp(seconds: u64) -> String {
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// AWS Signature, version 4.
struct Signer<'a> {
    key_id: &'a str,
    secret: &'a str,
    region: &'a str,
    service: &'a str,
    time: &'a str,
}

impl Signer<'_> {
    /// `Authorization` of a request without a query; `fields` are ordered by their lower-case names.
    fn authorization(
        &self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> String {
        let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let lines: String = fields
            .iter()
            .map(|(name, value)| format!("{name}:{}\n", value.trim()))
            .collect();
        let request = format!(
            "{method}\n{path}\n\n{lines}\n{names}\n{}",
            hex(digest(&SHA256, body).as_ref())
        );
        let day = self.time.get(..8).unwrap_or_default();
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let request = hex(digest(&SHA256, request.as_bytes()).as_ref());
        let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{request}", self.time);
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for part in [day, self.region, self.service, "aws4_request", &text] {
            let signed = hmac::sign(&hmac::Key::new(HMAC_SHA256, &key), part.as_bytes());
            key = signed.as_ref().to_vec();
        }
        format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={}",
            self.key_id,
            hex(&key)
        )
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `get-vanilla` of the test suite that AWS publishes.
    #[test]
    fn requests_are_signed_as_aws_says() {
        let signer = Signer {
            key_id: "AKIDEXAMPLE",
            secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            region: "us-east-1",
            service: "service",
            time: &timestamp(1_440_938_160),
        };
        let fields = [
            ("host", "example.amazonaws.com"),
            ("x-amz-date", "20150830T123600Z"),
        ];
        assert_eq!(
            signer.authorization("GET", "/", &fields, b""),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
    }
}
