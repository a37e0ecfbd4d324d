//! Vault's key-value store, of both versions.

use std::time::Duration;

use http::StatusCode;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::Value;
use weir_model::registry::RegistryTls;
use weir_model::secret::{SecretPlace, Vault};

use crate::credentials;
use crate::http::{self as web, Call, Client, Server};
use crate::{Environment, Error, ErrorKind};

const CONNECT: Duration = Duration::from_secs(2);
const LIMIT: Duration = Duration::from_secs(5);
/// What a path must not have; slashes stay.
const PATH: &AsciiSet = &CONTROLS.add(b' ').add(b'?').add(b'#').add(b'%').add(b'"');

/// Reads one value.
pub(super) async fn read(
    vault: &Vault,
    reference: &SecretPlace,
    env: Environment<'_>,
) -> Result<String, Error> {
    let client = Client::new(CONNECT, &RegistryTls::default(), env)?;
    let server = Server::parse(&vault.uri)?;
    let token = credentials::resolve("token", &vault.token, env)?;
    let path = format!(
        "/v1/{}/{}",
        vault.prefix.trim_matches('/'),
        utf8_percent_encode(&reference.path, PATH)
    );
    let mut call = Call::get(path, LIMIT);
    call.headers
        .insert("x-vault-token", web::secret_header("token", &token)?);
    if let Some(namespace) = &vault.namespace {
        let namespace = web::secret_header("namespace", namespace)?;
        call.headers.insert("x-vault-namespace", namespace);
    }
    let answer = client.send(&server, call).await?;
    let nothing = || {
        let message = format!(
            "secret manager {} has no {:?} at {:?}",
            reference.manager, reference.key, reference.path
        );
        Error::at(&server, ErrorKind::Config, message)
    };
    if answer.status == StatusCode::NOT_FOUND {
        return Err(nothing());
    }
    value(&answer.json()?, &reference.key).ok_or_else(nothing)
}

/// Version 2 of the store wraps the values once more.
fn value(answer: &Value, key: &str) -> Option<String> {
    let data = answer.get("data")?;
    let found = data
        .get(key)
        .filter(|found| !found.is_object())
        .or_else(|| data.get("data")?.get(key))?;
    match found {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
