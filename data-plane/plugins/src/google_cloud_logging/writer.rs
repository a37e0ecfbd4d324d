//! Entries to Google: with a token that is kept while it is valid.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use weir_plugin_api::outside::{HttpAnswer, HttpCall, Outside};

use super::account::Account;
use super::config::AuthConfig;

/// Seconds before its end from which on a token is not used any more.
const EARLY: u64 = 60;
/// Of a call.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where the account comes from.
pub(super) enum Source {
    /// The configuration.
    Given(Arc<Account>),
    /// A file on this host, read again for each token, so that its key may be changed.
    File(String),
}

/// Writes entries.
pub(super) struct Writer {
    pub(super) source: Source,
    pub(super) log_id: String,
    pub(super) verify: bool,
    pub(super) session: Mutex<Option<Session>>,
    /// Held by the one that asks for a token, while others wait for it.
    pub(super) asking: futures_util::lock::Mutex<()>,
}

/// An account with a token.
#[derive(Clone)]
pub(super) struct Session {
    account: Arc<Account>,
    authorization: HeaderValue,
    /// Seconds since the epoch until which it is used.
    until: u64,
}

/// What the token endpoint answers.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default = "bearer")]
    token_type: String,
    #[serde(default = "hour")]
    expires_in: u64,
}

fn bearer() -> String {
    "Bearer".into()
}

const fn hour() -> u64 {
    3600
}

impl Writer {
    /// Writes entries, which still lack the name of the log.
    pub(super) async fn write(
        &self,
        outside: &dyn Outside,
        mut entries: Vec<Value>,
    ) -> Result<(), String> {
        let session = self.session(outside).await?;
        let account = &session.account;
        let log = format!("projects/{}/logs/{}", account.project_id, self.log_id);
        for entry in &mut entries {
            if let Some(entry) = entry.as_object_mut() {
                entry.insert("logName".into(), Value::from(log.as_str()));
            }
        }
        let body = json!({"entries": entries, "partialSuccess": false}).to_string();
        let mut call = self.call(&account.entries_uri, "application/json", body);
        call.headers
            .insert(AUTHORIZATION, session.authorization.clone());
        let answer = outside
            .http(call)
            .await
            .map_err(|error| error.to_string())?;
        if answer.status == StatusCode::UNAUTHORIZED {
            *self.kept() = None;
        }
        if answer.status.is_success() {
            return Ok(());
        }
        Err(told("entries", &answer))
    }

    async fn session(&self, outside: &dyn Outside) -> Result<Session, String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default().as_secs();
        let usable = || self.kept().clone().filter(|session| session.until > now);
        if let Some(session) = usable() {
            return Ok(session);
        }
        let _asking = self.asking.lock().await;
        if let Some(session) = usable() {
            return Ok(session);
        }
        let account = match &self.source {
            Source::Given(account) => Arc::clone(account),
            Source::File(path) => Arc::new(read(path)?),
        };
        let grant = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
        let assertion = account.assertion(now)?;
        let form = format!("grant_type={grant}&assertion={assertion}");
        let kind = "application/x-www-form-urlencoded";
        let answer = outside.http(self.call(&account.token_uri, kind, form));
        let answer = answer.await.map_err(|error| error.to_string())?;
        if !answer.status.is_success() {
            return Err(told("a token", &answer));
        }
        let wrong = || "the token endpoint gave no token".to_owned();
        let granted: Granted = serde_json::from_slice(&answer.body).map_err(|_| wrong())?;
        let text = format!("{} {}", granted.token_type, granted.access_token);
        let mut authorization = HeaderValue::try_from(text).map_err(|_| wrong())?;
        authorization.set_sensitive(true);
        let session = Session {
            account,
            authorization,
            until: now.saturating_add(granted.expires_in.saturating_sub(EARLY)),
        };
        *self.kept() = Some(session.clone());
        Ok(session)
    }

    fn call(&self, uri: &Uri, kind: &'static str, body: String) -> HttpCall {
        let mut call = HttpCall::new(Method::POST, uri.clone());
        call.timeout = TIMEOUT;
        call.verify = self.verify;
        call.body = Bytes::from(body);
        call.headers
            .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        call
    }

    fn kept(&self) -> MutexGuard<'_, Option<Session>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &str) -> Result<Account, String> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("auth_file: {path}: {error}"))?;
    // Its content is not shown: the key is in it.
    let config = serde_json::from_str::<AuthConfig>(&text).map_err(|error| {
        format!(
            "auth_file: {path}: no service account at line {}",
            error.line()
        )
    })?;
    Account::parse(config).map_err(|reason| format!("auth_file: {path}: {reason}"))
}

fn told(what: &str, answer: &HttpAnswer) -> String {
    let said = answer.body.get(..200).unwrap_or(&answer.body);
    let said = String::from_utf8_lossy(said);
    format!(
        "asked for {what}, Google answered with {}: {said}",
        answer.status
    )
}
