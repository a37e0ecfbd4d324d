//! The one fetch that all watches of a registry share.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::sync::Mutex;
use tokio::time::Instant;
use weir_model::registry::{Eureka as Config, RegistryTls};

use super::apps::Apps;
use super::parse;
use crate::credentials::{self, Environment};
use crate::http::{self as web, Answer, Call, Server, Servers};
use crate::{Error, ErrorKind};

/// Servers remember for three minutes what changed; what is older than half of that is fetched
/// whole.
const DELTA_REACHES: Duration = Duration::from_secs(90);
/// A failure counts for every watch that asks within this time.
const FAILURE_HOLDS: Duration = Duration::from_secs(1);
/// Weight of instances that state none, as in APISIX.
const WEIGHT: u32 = 100;

/// What the registry said at one time.
#[derive(Clone)]
pub(super) struct Round {
    pub(super) apps: Arc<Apps>,
    /// Who said it.
    pub(super) server: String,
    at: Instant,
    /// When it is asked again.
    pub(super) over: Instant,
}

#[derive(Default)]
struct State {
    round: Option<Round>,
    /// The last attempt, when it failed.
    failed: Option<(Instant, Error)>,
}

/// A registry, fetched whenever some watch wants something newer.
pub(super) struct Feed {
    http: web::Client,
    servers: Servers,
    /// Path of the API, with slashes at both ends.
    prefix: String,
    headers: HeaderMap,
    login: Option<HeaderValue>,
    limit: Duration,
    interval: Duration,
    weight: u32,
    /// Held while a watch fetches; the others wait for what it finds.
    state: Mutex<State>,
}

impl Feed {
    pub(super) fn new(
        config: &Config,
        tls: &RegistryTls,
        env: Environment<'_>,
    ) -> Result<Self, Error> {
        let timeout = &config.timeout;
        let connect = Duration::from_millis(timeout.connect);
        let user = credentials::resolve("username", &config.username, env)?;
        let password = credentials::resolve("password", &config.password, env)?;
        let login = match user.is_empty() {
            true => None,
            false => Some(basic(&user, &password)?),
        };
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        Ok(Self {
            http: web::Client::new(connect, tls, env)?,
            servers: Servers::parse(&hosts_of(config))?,
            prefix: prefix(config),
            headers,
            login,
            limit: connect + Duration::from_millis(timeout.send + timeout.read),
            interval: Duration::from_secs(config.fetch_interval),
            weight: config.weight.unwrap_or(WEIGHT),
            state: Mutex::default(),
        })
    }

    /// What the registry says now: asked for when the last answer is over.
    pub(super) async fn round(&self) -> Result<Round, Error> {
        let mut state = self.state.lock().await;
        let now = Instant::now();
        if let Some((at, error)) = &state.failed
            && now.duration_since(*at) < FAILURE_HOLDS
        {
            return Err(error.clone());
        }
        if let Some(round) = state.round.as_ref().filter(|round| now < round.over) {
            return Ok(round.clone());
        }
        match self.fetch(state.round.as_ref()).await {
            Ok(round) => {
                state.failed = None;
                state.round = Some(round.clone());
                Ok(round)
            }
            Err(error) => {
                state.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn fetch(&self, before: Option<&Round>) -> Result<Round, Error> {
        if let Some(before) = before.filter(|round| round.at.elapsed() < DELTA_REACHES)
            && let Some(round) = self.delta(before).await?
        {
            return Ok(round);
        }
        let answer = self.ask("apps", &[]).await?;
        let (entries, _) = answer.json::<parse::Answer>()?.read(self.weight);
        Ok(self.done(answer.server, Apps::whole(entries)))
    }

    /// What `before` becomes with the changes since; `None` when that cannot be told, and all must
    /// be fetched.
    async fn delta(&self, before: &Round) -> Result<Option<Round>, Error> {
        // Servers may have been told to give no changes.
        let without = [
            StatusCode::FORBIDDEN,
            StatusCode::NOT_FOUND,
            StatusCode::METHOD_NOT_ALLOWED,
            StatusCode::NOT_IMPLEMENTED,
        ];
        let answer = self.ask("apps/delta", &without).await?;
        // Changes at another server need not be those since the answer of this one.
        if answer.server != before.server {
            return Ok(None);
        }
        let Ok(changes) = answer.json::<parse::Answer>() else {
            return Ok(None);
        };
        let (entries, hash) = changes.read(self.weight);
        let mut apps = Apps::clone(&before.apps);
        apps.apply(entries);
        if apps.hash() != hash {
            return Ok(None);
        }
        Ok(Some(self.done(answer.server, apps)))
    }

    fn done(&self, server: String, apps: Apps) -> Round {
        let at = Instant::now();
        Round {
            apps: Arc::new(apps),
            server,
            at,
            over: at + self.interval,
        }
    }

    /// Asks for `path` below the prefix; `passed` are statuses that are an answer, too.
    async fn ask(&self, path: &str, passed: &[StatusCode]) -> Result<Answer, Error> {
        let path = format!("{}{path}", self.prefix);
        let asked = self.servers.ask(|server| {
            let call = self.call(&path, &server);
            async move {
                let answer = self.http.send(&server, call?).await?;
                if !passed.contains(&answer.status) {
                    answer.success().map_err(|error| not_yet(error, &answer))?;
                }
                Ok(answer)
            }
        });
        asked.await
    }

    fn call(&self, path: &str, server: &Server) -> Result<Call, Error> {
        let mut call = Call::get(path, self.limit);
        call.headers.clone_from(&self.headers);
        let login = match (&self.login, &server.login) {
            (Some(login), _) => Some(login.clone()),
            (None, Some((user, password))) => Some(basic(user, password)?),
            (None, None) => None,
        };
        call.headers
            .extend(login.map(|login| (AUTHORIZATION, login)));
        Ok(call)
    }
}

/// A server that has not yet heard of its peers answers 403 to everybody: another may do better.
fn not_yet(error: Error, answer: &Answer) -> Error {
    if answer.status == StatusCode::FORBIDDEN {
        return Error {
            kind: ErrorKind::Failed,
            message: format!("{}; it refuses, or has no registry yet", error.message),
            ..error
        };
    }
    error
}

fn basic(user: &str, password: &str) -> Result<HeaderValue, Error> {
    let login = STANDARD.encode(format!("{user}:{password}"));
    web::secret_header("password", &format!("Basic {login}"))
}

/// The addresses. `http://host:8761/eureka/` is how clients of Eureka write them: without a prefix
/// of its own that path is the prefix.
fn hosts_of(config: &Config) -> Vec<String> {
    let hosts = config.host.iter().map(|host| {
        let plain = host.trim_end_matches('/');
        match (&config.prefix, plain.strip_suffix("/eureka")) {
            (None, Some(rest)) => rest.to_owned(),
            _ => host.clone(),
        }
    });
    hosts.collect()
}

fn prefix(config: &Config) -> String {
    let prefix = config.prefix.as_deref().unwrap_or("eureka");
    match prefix.trim_matches('/') {
        "" => "/".to_owned(),
        inside => format!("/{inside}/"),
    }
}

#[cfg(test)]
mod tests;
