use serde_json::json;
use weir_model::secret::{Aws, Vault};

use super::*;
use crate::ErrorKind;
use crate::http::fake::Fake;

/// A Vault with one secret at `kv/registries/main`, for whoever has the token `hush`.
async fn vault(answer: Value) -> String {
    let fake = Fake::start(move |head| {
        let status = match () {
            () if !head.contains("x-vault-token: hush\r\n") => 403,
            () if !head.starts_with("GET /v1/kv/registries/main ") => 404,
            () => 200,
        };
        (status, answer.clone())
    })
    .await;
    fake.url
}

async fn revealed(uri: &str, token: &str, reference: &str) -> Result<Value, Error> {
    let managers: Managers<'_> = &|name| match name {
        "vault/1" => Some(Secret::Vault(Vault {
            uri: uri.to_owned(),
            prefix: "kv".to_owned(),
            token: token.to_owned(),
            namespace: None,
        })),
        "aws/1" => Some(Secret::Aws(Aws {
            access_key_id: String::new(),
            secret_access_key: String::new(),
            session_token: None,
            region: String::new(),
            endpoint_url: None,
        })),
        _ => None,
    };
    let env: Environment<'_> = &|name| (name == "VAULT").then(|| "hush".to_owned());
    let spec = json!({"type": "consul", "servers": ["http://c"], "token": reference});
    reveal(&spec, managers, env).await
}

#[tokio::test]
async fn references_become_what_vault_has_there() {
    let first = vault(json!({"data": {"token": "t1"}})).await;
    let second = vault(json!({"data": {"data": {"token": "t2"}, "metadata": {}}})).await;
    for (uri, expected) in [(first, "t1"), (second, "t2")] {
        let spec = revealed(
            &uri,
            "$env://VAULT",
            "$secret://vault/1/registries/main/token",
        )
        .await;
        assert_eq!(
            spec.unwrap(),
            json!({"type": "consul", "servers": ["http://c"], "token": expected})
        );
    }
}

#[tokio::test]
async fn what_cannot_be_revealed_is_told() {
    let uri = vault(json!({"data": {"token": "t1"}})).await;
    let told = async |token: &str, reference: &str| {
        let error = revealed(&uri, token, reference).await.unwrap_err();
        (error.kind, error.message)
    };
    let (kind, _) = told("wrong", "$secret://vault/1/registries/main/token").await;
    assert_eq!(kind, ErrorKind::Refused);
    for (reference, expected) in [
        (
            "$secret://vault/1/registries/main/other",
            "secret manager vault/1 has no \"other\" at \"registries/main\"",
        ),
        (
            "$secret://vault/1/elsewhere/token",
            "secret manager vault/1 has no \"token\" at \"elsewhere\"",
        ),
        (
            "$secret://vault/2/a/b",
            "$secret://vault/2/a/b: there is no secret manager vault/2",
        ),
        (
            "$SECRET://vault/1",
            "expected $secret://MANAGER/ID/PATH/KEY, got \"$SECRET://vault/1\"",
        ),
        (
            "$secret://aws/1/a/b",
            "$secret://aws/1/a/b: only vault is asked for the secrets of registries yet; use vault or $env://NAME",
        ),
    ] {
        assert_eq!(
            told("hush", reference).await,
            (ErrorKind::Config, expected.to_owned())
        );
    }
}

#[test]
fn only_references_need_a_manager() {
    assert!(has_secrets(
        &json!({"tls": {"client_key": "$secret://vault/1/a/b"}})
    ));
    assert!(!has_secrets(
        &json!({"token": "$env://A", "desc": "see $secret://vault"})
    ));
}
