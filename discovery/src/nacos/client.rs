//! Nacos over HTTP: logins, lists of instances, namespaces. Also where gRPC is.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tokio::time::Instant;
use weir_model::registry::{Nacos as Config, RegistryTls};

use super::Topic;
use super::identity::{Identity, Login, Token};
use super::messages::{Instance, ServiceInfo};
use crate::credentials::Environment;
use crate::http::{self as web, Answer, Call, Server, Servers};
use crate::shared::Shared;
use crate::{Error, ErrorKind};

/// What is known of a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Namespace {
    Known,
    Unknown,
    /// The credentials may not ask.
    Hidden,
}

/// Connections and settings that all watches of one registry share.
pub(super) struct Client {
    pub(super) http: web::Client,
    pub(super) servers: Servers,
    grpc_port: Option<u16>,
    /// How long a request may take.
    pub(super) limit: Duration,
    /// Path of the API of version 1, without slash at its end.
    first: String,
    /// Path of the whole, to which that of newer versions is added.
    context: String,
    identity: Identity,
    token: Shared<Token>,
}

/// What version 3 puts around an answer.
#[derive(Deserialize)]
struct Wrapped<T> {
    data: Option<T>,
}

#[derive(Deserialize)]
struct NamespaceEntry {
    namespace: String,
}

impl Client {
    pub(super) fn new(
        config: &Config,
        tls: &RegistryTls,
        env: Environment<'_>,
    ) -> Result<Self, Error> {
        let connect = Duration::from_millis(config.timeout.connect);
        let servers = Servers::parse(&config.host)?;
        let first = format!("/{}", config.prefix.trim_matches('/'));
        let context = first.strip_suffix("/v1").unwrap_or(&first).to_owned();
        Ok(Self {
            http: web::Client::new(connect, tls, env)?,
            identity: Identity::new(config, &servers, env)?,
            servers,
            grpc_port: config.grpc_port,
            limit: connect + Duration::from_millis(config.timeout.send + config.timeout.read),
            first,
            context,
            token: Shared::default(),
        })
    }

    /// Where gRPC is: 1000 above HTTP unless the document says otherwise.
    pub(super) fn grpc(&self, server: &Server) -> Result<Server, Error> {
        let above = || server.port().checked_add(1000);
        let port = self
            .grpc_port
            .or_else(above)
            .ok_or_else(|| Error::config(format!("{server}: no port 1000 above; set grpc_port")))?;
        server.with_port(port)
    }

    /// Headers that a request over gRPC carries.
    pub(super) async fn headers(
        &self,
        topic: Option<&Topic>,
    ) -> Result<HashMap<String, String>, Error> {
        let mut headers = topic.map(|topic| self.identity.signature(topic));
        if let Some(token) = self.token().await? {
            let headers = headers.get_or_insert_default();
            headers.insert("accessToken".to_owned(), token);
        }
        Ok(headers.unwrap_or_default())
    }

    /// A token that was refused is not used again.
    pub(super) async fn refused(&self) {
        self.token.forget().await;
    }

    /// The instances that HTTP lists.
    pub(super) async fn list(&self, topic: &Topic) -> Result<ServiceInfo, Error> {
        let mut query = format!(
            "?serviceName={}&groupName={}&namespaceId={}&healthyOnly=true",
            encoded(&topic.service),
            encoded(&topic.group),
            encoded(&topic.namespace),
        );
        for (name, value) in self.identity.signature(topic) {
            query.push_str(&format!("&{name}={}", encoded(&value)));
        }
        let old = format!("{}/ns/instance/list{query}", self.first);
        let answer = self.get(&old).await?;
        if !is_gone(&answer) {
            let mut info: ServiceInfo = answer.json()?;
            info.server = answer.server;
            return Ok(info);
        }
        let new = format!("{}/v3/client/ns/instance/list{query}", self.context);
        let answer = self.get(&new).await?;
        let wrapped: Wrapped<Vec<Instance>> = answer.json()?;
        Ok(ServiceInfo {
            name: topic.service.clone(),
            group_name: Some(topic.group.clone()),
            hosts: wrapped.data.unwrap_or_default(),
            last_ref_time: 0,
            server: answer.server,
        })
    }

    /// Whether there is such a namespace.
    pub(super) async fn namespace(&self, name: &str) -> Result<Namespace, Error> {
        if name == "public" {
            return Ok(Namespace::Known);
        }
        let new = format!("{}/v3/admin/core/namespace/list", self.context);
        let mut answer = self.get(&new).await;
        if answer.as_ref().is_ok_and(is_gone) {
            answer = self
                .get(&format!("{}/console/namespaces", self.first))
                .await;
        }
        let answer = match answer {
            Err(error) if error.kind == ErrorKind::Refused => return Ok(Namespace::Hidden),
            answer => answer?,
        };
        if is_gone(&answer) {
            return Ok(Namespace::Hidden);
        }
        let known: Wrapped<Vec<NamespaceEntry>> = answer.json()?;
        let mut known = known.data.unwrap_or_default().into_iter();
        Ok(if known.any(|entry| entry.namespace == name) {
            Namespace::Known
        } else {
            Namespace::Unknown
        })
    }

    /// Asks one server after the other. What is not there is an answer, other failures are not.
    async fn get(&self, path: &str) -> Result<Answer, Error> {
        let mut headers = HeaderMap::new();
        if let Some(token) = self.token().await? {
            // Older servers know the one, newer ones both.
            let bearer = web::secret_header("token", &format!("Bearer {token}"))?;
            headers.insert(AUTHORIZATION, bearer);
            headers.insert("accesstoken", web::secret_header("token", &token)?);
        }
        let asked = self.servers.ask(|server| {
            let mut call = Call::get(path, self.limit);
            call.headers.clone_from(&headers);
            async move {
                let answer = self.http.send(&server, call).await?;
                if !is_gone(&answer) {
                    answer.success()?;
                }
                Ok(answer)
            }
        });
        let answer = asked.await;
        if answer.as_ref().is_err_and(|e| e.kind == ErrorKind::Refused) {
            self.refused().await;
        }
        answer
    }

    /// The token of the login; none without one.
    async fn token(&self) -> Result<Option<String>, Error> {
        let Some((user, password)) = &self.identity.login else {
            return Ok(None);
        };
        let login = async {
            let login = self
                .servers
                .ask(|server| async move { self.login(&server, user, password).await });
            let token = Token::new(login.await?, Instant::now());
            let value = token.value.clone();
            Ok((token, value))
        };
        let token = self.token.get(|token| token.good(Instant::now()), login);
        token.await.map(Some)
    }

    async fn login(&self, server: &Server, user: &str, password: &str) -> Result<Login, Error> {
        let form = format!("username={}&password={}", encoded(user), encoded(password));
        let form = Bytes::from(form);
        let post = async |path: String| {
            let mut call = Call::get(path, self.limit);
            call.method = Method::POST;
            call.body = form.clone();
            let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
            call.headers.insert(CONTENT_TYPE, kind);
            self.http.send(server, call).await
        };
        let mut answer = post(format!("{}/auth/login", self.first)).await?;
        if is_gone(&answer) || answer.status.is_server_error() {
            answer = post(format!("{}/v3/auth/user/login", self.context)).await?;
        }
        let Err(error) = answer.success() else {
            return answer.json();
        };
        // Nacos 3 answers 500 to a wrong password, so that only its state tells.
        let state = format!("{}/v3/admin/core/state/readiness", self.context);
        let up = answer.status.is_server_error()
            && self
                .http
                .send(server, Call::get(state, self.limit))
                .await
                .is_ok_and(|state| state.status == StatusCode::OK);
        let kind = if up { ErrorKind::Refused } else { error.kind };
        let message = format!("the login of {user:?} failed: {}", error.message);
        Err(Error::at(server, kind, message))
    }
}

/// Whether a server does not know this part of the API (any more).
fn is_gone(answer: &Answer) -> bool {
    matches!(
        answer.status,
        StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::NOT_IMPLEMENTED
    )
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
