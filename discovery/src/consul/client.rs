//! Talking to the servers of one Consul cluster.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use weir_model::registry::{Consul as Config, RegistryTls};

use crate::credentials::{self, Environment};
use crate::http::{self as web, Answer, Call, Servers};
use crate::{Error, ErrorKind};

/// Connections and settings that all watches of one registry share.
pub(super) struct Client {
    http: web::Client,
    servers: Servers,
    headers: HeaderMap,
    /// Datacenter, partition and consistency, as a query without a leading sign.
    place: String,
    namespace: Option<String>,
    /// How long a blocking query waits.
    wait: Duration,
    /// How long everything else may take.
    read: Duration,
    /// Whether queries block.
    pub(super) blocks: bool,
    /// Between two queries that do not.
    pub(super) poll: Duration,
}

/// What is asked for.
pub(super) struct Query {
    path: String,
    /// Whether 404 is an answer.
    pub(super) missing_is_empty: bool,
}

impl Client {
    pub(super) fn new(
        config: &Config,
        tls: &RegistryTls,
        env: Environment<'_>,
    ) -> Result<Self, Error> {
        let connect = Duration::from_millis(config.timeout.connect);
        let mut headers = HeaderMap::new();
        let token = credentials::resolve("token", &config.token, env)?;
        if !token.is_empty() {
            headers.insert("x-consul-token", web::secret_header("token", &token)?);
        }
        let mut place = String::new();
        for (name, value) in [("dc", &config.datacenter), ("partition", &config.partition)] {
            if let Some(value) = value {
                place.push_str(&format!("&{name}={}", encoded(value)));
            }
        }
        if config.stale {
            place.push_str("&stale");
        }
        Ok(Self {
            http: web::Client::new(connect, tls, env)?,
            servers: Servers::parse(&config.servers)?,
            headers,
            place,
            namespace: config.namespace.clone(),
            wait: Duration::from_secs(config.timeout.wait),
            read: connect + Duration::from_millis(config.timeout.read),
            blocks: config.keepalive,
            poll: Duration::from_secs(config.fetch_interval),
        })
    }

    /// A query for `path`, which may have arguments already; `namespace` is the lookup's own.
    pub(super) fn prepare(&self, path: &str, namespace: Option<&str>) -> Query {
        let sign = if path.contains('?') { "" } else { "?" };
        let mut path = format!("{path}{sign}{}", self.place);
        if let Some(namespace) = namespace.or(self.namespace.as_deref()) {
            path.push_str(&format!("&ns={}", encoded(namespace)));
        }
        Query {
            path,
            missing_is_empty: false,
        }
    }

    /// Asks; with an index other than 0 the answer comes when there is something newer, or after
    /// the wait.
    pub(super) async fn query(&self, query: &Query, index: u64) -> Result<Answer, Error> {
        let blocks = self.blocks && index > 0;
        let (path, limit) = if blocks {
            let seconds = self.wait.as_secs();
            // Consul adds up to a sixteenth of the wait.
            let limit = self.wait + self.wait / 16 + self.read;
            (
                format!("{}&index={index}&wait={seconds}s", query.path),
                limit,
            )
        } else {
            (query.path.clone(), self.read)
        };
        let missing_is_empty = query.missing_is_empty;
        let asked = self.servers.ask(|server| {
            let mut call = Call::get(path.clone(), limit);
            call.headers.clone_from(&self.headers);
            async move {
                let answer = self.http.send(&server, call).await?;
                if missing_is_empty && answer.status == http::StatusCode::NOT_FOUND {
                    return Ok(answer);
                }
                answer
                    .success()
                    .map_err(|error| unknown_place(error, &answer))?;
                Ok(answer)
            }
        });
        asked.await
    }

    /// Whether nobody in particular asks.
    pub(super) fn is_anonymous(&self) -> bool {
        self.headers.is_empty()
    }

    /// Posts JSON to whichever server answers.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Answer, Error> {
        let body = Bytes::from(body.to_string());
        let asked = self.servers.ask(|server| {
            let call = Call {
                method: Method::POST,
                headers: self.headers.clone(),
                body: body.clone(),
                ..Call::get(path, self.read)
            };
            async move { self.http.send(&server, call).await }
        });
        asked.await
    }
}

/// Consul has no status of its own for datacenters, namespaces and partitions that do not exist.
fn unknown_place(error: Error, answer: &Answer) -> Error {
    const SAYINGS: [&str; 4] = [
        "No path to datacenter",
        "Namespace not found",
        "does not exist",
        "Invalid query parameter",
    ];
    let said = String::from_utf8_lossy(&answer.body);
    if SAYINGS.iter().any(|saying| said.contains(saying)) {
        return Error {
            kind: ErrorKind::UnknownNamespace,
            ..error
        };
    }
    error
}

/// A text as part of a path or query.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
