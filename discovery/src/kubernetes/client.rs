//! Lists and watches of one API server.

use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use weir_model::registry::{Kubernetes as Config, RegistryTls};
use weir_net::causes;

use super::access::{Access, Token};
use super::events::{Event, Lines, Status};
use super::objects::{Metadata, Object, Objects};
use super::place::Place;
use crate::credentials::Environment;
use crate::http::{self as web, Answer, Call, Server};
use crate::{Error, ErrorKind};

/// To connect.
const CONNECT: Duration = Duration::from_secs(2);
/// For an answer that does not wait.
const READ: Duration = Duration::from_secs(5);
/// Objects of one page of a list.
const PAGE: usize = 500;

/// Connections and settings that all watches of one cluster share.
pub(super) struct Client {
    http: web::Client,
    server: Server,
    token: Token,
    /// EndpointSlices instead of Endpoints.
    slices: bool,
    label_selector: Option<String>,
    /// How long a watch lasts.
    wait: Duration,
}

/// What a list says.
pub(super) struct Listed {
    pub(super) objects: Objects,
    /// The version that a watch goes on from.
    pub(super) version: String,
}

/// A watch that runs.
pub(super) struct Stream {
    server: String,
    body: Incoming,
    lines: Lines,
    /// It ends by itself before.
    until: Instant,
    limit: Duration,
}

#[derive(Deserialize)]
struct List {
    metadata: ListMetadata,
    #[serde(default)]
    items: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct ListMetadata {
    #[serde(flatten)]
    common: Metadata,
    #[serde(default)]
    r#continue: Option<String>,
}

impl Client {
    pub(super) fn new(
        config: &Config,
        tls: &RegistryTls,
        env: Environment<'_>,
    ) -> Result<Self, Error> {
        let access = Access::new(config, tls, env)?;
        Ok(Self {
            http: web::Client::new(CONNECT, &access.tls, env)?,
            server: Server::parse(&access.server)?,
            token: access.token,
            slices: config.watch_endpoint_slices,
            label_selector: config.label_selector.clone(),
            wait: Duration::from_secs(config.watch_timeout),
        })
    }

    /// The API server.
    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// All objects of a service.
    pub(super) async fn list(&self, place: &Place) -> Result<Listed, Error> {
        let path = self.path(place);
        let mut objects = Objects::default();
        let mut next = String::new();
        loop {
            let mut page = format!("{path}&limit={PAGE}");
            if !next.is_empty() {
                page.push_str(&format!("&continue={}", encoded(&next)));
            }
            let answer = self.get(&page).await?;
            if answer.status == StatusCode::GONE && !next.is_empty() {
                // The rest of the list is forgotten: from the start, then.
                objects = Objects::default();
                next.clear();
                continue;
            }
            let list: List = self.judged(&answer)?.json()?;
            for item in list.items.unwrap_or_default() {
                objects.put(Object::parse(item).map_err(|error| answer.malformed(error))?);
            }
            next = list.metadata.r#continue.unwrap_or_default();
            if next.is_empty() {
                let version = list.metadata.common.resource_version;
                if version.is_empty() {
                    return Err(answer.malformed("a list without resourceVersion"));
                }
                return Ok(Listed { objects, version });
            }
        }
    }

    /// Follows what changes after a version; nothing when that version is forgotten.
    pub(super) async fn watch(
        &self,
        place: &Place,
        version: &str,
    ) -> Result<Option<Stream>, Error> {
        let path = format!(
            "{}&watch=1&allowWatchBookmarks=true&resourceVersion={}&timeoutSeconds={}",
            self.path(place),
            encoded(version),
            self.wait.as_secs(),
        );
        let began = Instant::now();
        let call = self.call(path).await?;
        let limit = call.limit;
        let response = timeout_at(began + limit, self.http.begin(&self.server, call)).await;
        let response = response.map_err(|_| Error::timeout(&self.server, limit))??;
        if response.status() != StatusCode::OK {
            let gone = response.status() == StatusCode::GONE;
            let answer = self
                .http
                .finish(&self.server, response, began + limit, limit)
                .await?;
            return match self.judged(&answer) {
                _ if gone => Ok(None),
                Err(error) => Err(error),
                Ok(_) => Err(answer.malformed(format!("status {} to a watch", answer.status))),
            };
        }
        Ok(Some(Stream {
            server: self.server.to_string(),
            body: response.into_body(),
            lines: Lines::default(),
            until: began + self.wait + READ,
            limit: self.wait + READ,
        }))
    }

    /// Whether there is such a namespace; nothing when the credentials may not ask.
    pub(super) async fn has_namespace(&self, name: &str) -> Result<Option<bool>, Error> {
        let answer = self.get(&format!("/api/v1/namespaces/{name}")).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(Some(false)),
            StatusCode::FORBIDDEN => Ok(None),
            _ => self.judged(&answer).map(|_| Some(true)),
        }
    }

    /// Path and selection of the objects of a service.
    fn path(&self, place: &Place) -> String {
        let Place {
            namespace, name, ..
        } = place;
        let (mut path, mut labels) = if self.slices {
            (
                format!("/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices?"),
                vec![format!("kubernetes.io/service-name={name}")],
            )
        } else {
            let only = encoded(&format!("metadata.name={name}"));
            (
                format!("/api/v1/namespaces/{namespace}/endpoints?fieldSelector={only}"),
                Vec::new(),
            )
        };
        labels.extend(self.label_selector.clone());
        if !labels.is_empty() {
            path.push_str(&format!("&labelSelector={}", encoded(&labels.join(","))));
        }
        path
    }

    async fn call(&self, path: String) -> Result<Call, Error> {
        let mut call = Call::get(path, READ);
        if let Some(token) = self.token.text().await? {
            let mut headers = HeaderMap::new();
            let bearer = web::secret_header("token", &format!("Bearer {token}"))?;
            headers.insert(AUTHORIZATION, bearer);
            call.headers = headers;
        }
        Ok(call)
    }

    async fn get(&self, path: &str) -> Result<Answer, Error> {
        let call = self.call(path.to_owned()).await?;
        self.http.send(&self.server, call).await
    }

    /// An answer that is a success; else what the server's own message says.
    fn judged<'a>(&self, answer: &'a Answer) -> Result<&'a Answer, Error> {
        let Err(error) = answer.success() else {
            return Ok(answer);
        };
        let Ok(status) = serde_json::from_slice::<Status>(&answer.body) else {
            return Err(error);
        };
        let message = format!("answered {}: {}", answer.status.as_u16(), status.message);
        Err(Error { message, ..error })
    }
}

impl Stream {
    /// The next event; nothing when the watch has ended as it should.
    pub(super) async fn next(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if let Some(line) = self.lines.next() {
                let event = Event::parse(&line);
                let wrong = |what| {
                    let message = format!("the watch cannot be read: {what}");
                    Error::at(&self.server, ErrorKind::Malformed, message)
                };
                return event.map(Some).map_err(wrong);
            }
            let Ok(frame) = timeout_at(self.until, self.body.frame()).await else {
                return Err(Error::timeout(&self.server, self.limit));
            };
            let broken = |what: String| Error::at(&self.server, ErrorKind::Unreachable, what);
            match frame {
                None if self.lines.is_broken() => {
                    return Err(broken("the watch broke off amid a line".to_owned()));
                }
                None => return Ok(None),
                Some(Err(error)) => {
                    return Err(broken(format!("the watch broke off: {}", causes(&error))));
                }
                Some(Ok(frame)) => {
                    let bytes = frame.into_data().unwrap_or_default();
                    self.lines.push(&bytes).map_err(|_| {
                        let message = "an event is larger than is taken";
                        Error::at(&self.server, ErrorKind::TooLarge, message)
                    })?;
                }
            }
        }
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
