//! How the API server is reached: address, TLS, token.

use std::path::{Path, PathBuf};

use weir_model::registry::{Kubernetes as Config, RegistryTls};

use super::kubeconfig;
use crate::credentials::Environment;
use crate::{Error, ErrorKind};

/// Everything that a request needs.
#[derive(Debug)]
pub(super) struct Access {
    /// Base URL.
    pub(super) server: String,
    pub(super) tls: RegistryTls,
    pub(super) token: Token,
}

/// A bearer token.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Token {
    None,
    Fixed(String),
    /// Read anew for every request, since it is renewed there.
    File(PathBuf),
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Token::None => f.write_str("none"),
            Token::Fixed(_) => f.write_str("fixed"),
            Token::File(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Access {
    /// What a document says, with the files and variables that it names.
    pub(super) fn new(
        config: &Config,
        tls: &RegistryTls,
        env: Environment<'_>,
    ) -> Result<Self, Error> {
        if let Some(path) = &config.kubeconfig {
            return kubeconfig::read(Path::new(path), config.context.as_deref());
        }
        let variable = |field: &str, text: &str| variable(field, text, env);
        let service = &config.service;
        let host = variable("service.host", &service.host)?;
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host
        };
        let port = variable("service.port", &service.port)?;
        let token = match (&config.client.token, &config.client.token_file) {
            (Some(token), _) => Token::Fixed(variable("client.token", token)?),
            (None, Some(path)) => Token::File(path.into()),
            (None, None) => Token::None,
        };
        let mut tls = tls.clone();
        if service.ssl_verify == Some(false) {
            tls.verify = false;
        }
        if tls.ca.is_none()
            && let Token::File(path) = &token
        {
            // A pod finds the CA of its cluster beside its token.
            tls.ca = std::fs::read_to_string(path.with_file_name("ca.crt")).ok();
        }
        Ok(Self {
            server: format!("{}://{host}:{port}", service.schema),
            tls,
            token,
        })
    }
}

impl Token {
    /// Its text now.
    pub(super) async fn text(&self) -> Result<Option<String>, Error> {
        match self {
            Token::None => Ok(None),
            Token::Fixed(token) => Ok(Some(token.clone())),
            Token::File(path) => match tokio::fs::read_to_string(path).await {
                Ok(token) => Ok(Some(token.trim().to_owned())),
                Err(error) => {
                    let message = format!("the token cannot be read: {}: {error}", path.display());
                    Err(Error::at("", ErrorKind::Refused, message))
                }
            },
        }
    }
}

/// The value of `${NAME}`, or the text itself.
fn variable(field: &str, text: &str, env: Environment<'_>) -> Result<String, Error> {
    let name = text
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'));
    match name {
        None => crate::credentials::resolve(field, text, env),
        Some(name) => env(name).ok_or_else(|| {
            Error::config(format!("{field}: environment variable {name} is not set"))
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use weir_model::registry::{Backend, Registry as Document};

    use super::*;

    fn access(fields: Value) -> Result<Access, Error> {
        let mut spec = json!({"type": "kubernetes"});
        for (name, value) in fields.as_object().unwrap() {
            spec[name] = value.clone();
        }
        let document = Document::parse(&spec).unwrap();
        let Backend::Kubernetes(config) = &document.backend else {
            panic!("expected kubernetes");
        };
        let env = |name: &str| match name {
            "KUBERNETES_SERVICE_HOST" => Some("fd00::1".to_owned()),
            "KUBERNETES_SERVICE_PORT" => Some("443".to_owned()),
            "TOKEN" => Some("t0k".to_owned()),
            _ => None,
        };
        Access::new(config, &document.tls, &env)
    }

    #[test]
    fn a_pod_finds_its_own_cluster() {
        let found = access(json!({})).unwrap();
        assert_eq!(found.server, "https://[fd00::1]:443");
        let path = "/var/run/secrets/kubernetes.io/serviceaccount/token";
        assert_eq!(found.token, Token::File(path.into()));
        assert!(found.tls.verify);
    }

    #[test]
    fn fields_may_be_variables() {
        let service = json!({"schema": "http", "host": "10.0.0.1", "port": "8080"});
        let found = access(json!({"service": service, "client": {"token": "${TOKEN}"}})).unwrap();
        assert_eq!(found.server, "http://10.0.0.1:8080");
        assert_eq!(found.token, Token::Fixed("t0k".into()));
        let missing = access(json!({"client": {"token": "${NONE}"}})).unwrap_err();
        assert!(missing.to_string().contains("NONE is not set"), "{missing}");
        let service = json!({"ssl_verify": false});
        assert!(!access(json!({"service": service})).unwrap().tls.verify);
        let gone = access(json!({"kubeconfig": "/no/such/file"})).unwrap_err();
        assert!(gone.to_string().contains("/no/such/file"), "{gone}");
    }

    #[tokio::test]
    async fn tokens_of_files_are_read_every_time() {
        let path = std::env::temp_dir().join(format!("weir-token-{}", std::process::id()));
        let token = Token::File(path.clone());
        assert_eq!(token.text().await.unwrap_err().kind, ErrorKind::Refused);
        for text in ["one", "two"] {
            std::fs::write(&path, format!("{text}\n")).unwrap();
            assert_eq!(token.text().await.unwrap().as_deref(), Some(text));
        }
        std::fs::remove_file(path).unwrap();
    }
}
