//! Reading and writing resources: the same for every collection.

use http::header::{IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, Method};
use serde_json::{Value, json};
use weir_model::{Key, Kind, PluginCatalog, Resource, Revision};
use weir_store::{Effect, Precondition, State, Target};

use super::auth::Role;
use super::collection::IdSource;
use super::error::Error;
use super::query::Query;
use super::respond::Answer;
use super::router::Path;
use super::{Call, document, health, patch};
use crate::Shared;
use crate::write::{self, Action, Intent, Request, Warning, Written};

const MESSAGE: HeaderName = HeaderName::from_static("x-weir-message");

/// Does what `call` asks of the collection or resource at `path`.
///
/// # Errors
/// See [`Error`].
pub(super) async fn run(shared: &Shared, path: &Path, call: Call) -> Result<Answer, Error> {
    let now_ms = Shared::now_ms();
    let expires_at_ms = call.query.expires_at_ms(now_ms)?;
    path.collection.check_method(&call.method)?;
    let writer = Writer {
        role: call.role,
        message: message(&call.headers),
        now_ms,
        expires_at_ms,
    };
    match call.method {
        Method::GET => get(shared, path, &call).await,
        Method::PUT => put(shared, path, call.body, &call.headers, writer).await,
        Method::POST => post(shared, path, call.body, &call.headers, writer).await,
        Method::PATCH => change(shared, path, call.body, &call.headers, writer).await,
        Method::DELETE => delete(shared, path, &call.query, &call.headers, writer).await,
        _ => Err(Error::NoMethod),
    }
}

/// Facts of one write that are not about its document.
struct Writer {
    role: Role,
    message: String,
    now_ms: u64,
    expires_at_ms: Option<u64>,
}

impl Writer {
    /// Where APISIX ignores unknown fields, so do we; the answer warns of them.
    fn request(self, target: Target, action: Action, precondition: Precondition) -> Request {
        Request {
            intents: vec![Intent {
                target,
                action,
                precondition,
            }],
            allow_unknown: true,
            dry_run: false,
            author: self.role.as_str().to_owned(),
            message: self.message,
            now_ms: self.now_ms,
        }
    }
}

async fn get(shared: &Shared, path: &Path, call: &Call) -> Result<Answer, Error> {
    let query = &call.query;
    let state = match query.stale()? {
        true => shared.raft.stale(),
        false => shared.raft.read().await?,
    };
    match document::key(path) {
        None => list(&state, path, query),
        Some(key) => {
            let resource = state.set.get(&key).ok_or(Error::KeyNotFound)?;
            let mut body = document::read(resource);
            if query.flag("health")?
                && let Some(health) = health::of(shared, &state, &key, call).await
                && let Some(fields) = body.as_object_mut()
            {
                fields.insert("health".to_owned(), health);
            }
            let answer = Answer::json(body).of(resource.modified);
            Ok(answer.at(state.set.revision))
        }
    }
}

/// What a collection holds, oldest first.
fn list(state: &State, path: &Path, query: &Query) -> Result<Answer, Error> {
    let kind = path.collection.kind;
    let mut selection = query.selection(kind)?;
    let prefix = path.parent.as_ref().map(|parent| format!("{parent}/"));
    let below = |resource: &Resource| {
        let prefix = prefix.as_deref().unwrap_or("");
        resource.key.id.starts_with(prefix)
    };
    let mut found: Vec<_> = state
        .set
        .of_kind(kind)
        .filter(|resource| below(resource) && selection.matches(resource))
        .collect();
    found.sort_by_key(|resource| resource.created);
    let total = found.len();
    let list: Vec<Value> = selection
        .page(found)
        .into_iter()
        .map(|resource| document::read(resource))
        .collect();
    let answer = Answer::json(json!({"list": list, "total": total}));
    let warnings = std::mem::take(&mut selection.warnings);
    Ok(answer.at(state.set.revision).warn(warnings))
}

async fn put(
    shared: &Shared,
    path: &Path,
    body: Option<Value>,
    headers: &HeaderMap,
    writer: Writer,
) -> Result<Answer, Error> {
    check_plugin_name(shared, path)?;
    let spec = body.ok_or_else(|| Error::invalid("missing configurations"))?;
    let key = document::put_key(path, &spec)?;
    let precondition = precondition(headers)?;
    let action = Action::Put {
        spec,
        expires_at_ms: writer.expires_at_ms,
    };
    let request = writer.request(Target::Key(key), action, precondition);
    answer(write::write(shared, request).await?, Vec::new())
}

async fn post(
    shared: &Shared,
    path: &Path,
    body: Option<Value>,
    headers: &HeaderMap,
    writer: Writer,
) -> Result<Answer, Error> {
    let label = path.collection.label;
    let spec = body.ok_or_else(|| Error::invalid("missing configurations"))?;
    if path.id.is_some() || document::sent_id(path, &spec)?.is_some() {
        return Err(Error::Invalid(format!("wrong {label} id, do not need it")));
    }
    let precondition = precondition(headers)?;
    let target = match &path.parent {
        None => Target::New(path.collection.kind),
        Some(parent) => {
            // The state machine gives ids to whole keys only: below a parent it is made here.
            let state = shared.raft.read().await?;
            let id = format!("{parent}/{:020}", state.set.revision.saturating_add(1));
            Target::Key(Key::new(path.collection.kind, id))
        }
    };
    let precondition = match (&target, precondition) {
        (Target::Key(_), Precondition::None) => Precondition::Absent,
        (_, precondition) => precondition,
    };
    let action = Action::Put {
        spec,
        expires_at_ms: writer.expires_at_ms,
    };
    let request = writer.request(target, action, precondition);
    answer(write::write(shared, request).await?, Vec::new())
}

/// PATCH: reads, changes, and writes if nobody else did meanwhile.
async fn change(
    shared: &Shared,
    path: &Path,
    body: Option<Value>,
    headers: &HeaderMap,
    writer: Writer,
) -> Result<Answer, Error> {
    let label = path.collection.label;
    let key = document::key(path).ok_or_else(|| match path.collection.kind {
        Kind::Secret if path.parent.is_some() => Error::invalid("no secret id"),
        _ => Error::Invalid(format!("missing {label} id")),
    })?;
    let body = body.ok_or_else(|| Error::invalid("missing new configuration"))?;
    if path.rest.is_empty() && !body.is_object() {
        return Err(Error::invalid("invalid configuration"));
    }
    let wanted = precondition(headers)?;
    let state = shared.raft.read().await?;
    let resource = state.set.get(&key).ok_or(Error::KeyNotFound)?;
    check(wanted, resource.modified)?;

    let mut spec = Value::clone(&resource.spec);
    match path.rest.as_slice() {
        [] => patch::merge(&mut spec, body),
        rest => patch::replace(&mut spec, rest, body)?,
    }
    let ignored = patch::without_times(&mut spec);
    if document::put_key(path, &spec)? != key {
        return Err(Error::Invalid(format!("wrong {label} id")));
    }
    let action = Action::Put {
        spec,
        expires_at_ms: writer.expires_at_ms,
    };
    let unchanged = Precondition::Modified(resource.modified);
    let request = writer.request(Target::Key(key), action, unchanged);
    match write::write(shared, request).await {
        Ok(written) => answer(written, ignored),
        Err(write::Error::Precondition { modified, .. }) => Err(match wanted {
            Precondition::None => Error::Changed,
            _ => Error::Precondition { modified },
        }),
        Err(error) => Err(error.into()),
    }
}

async fn delete(
    shared: &Shared,
    path: &Path,
    query: &Query,
    headers: &HeaderMap,
    writer: Writer,
) -> Result<Answer, Error> {
    let key = document::key(path)
        .ok_or_else(|| Error::Invalid(format!("missing {} id", path.collection.label)))?;
    let deleted = json!({"key": key.admin_path(), "deleted": "1"});
    let action = Action::Delete {
        force: query.get("force") == Some("true"),
    };
    let request = writer.request(Target::Key(key), action, precondition(headers)?);
    let written = write::write(shared, request).await?;
    Ok(Answer::json(deleted).at(written.revision))
}

/// The answer to a write of one resource.
fn answer(written: Written, ignored: Vec<String>) -> Result<Answer, Error> {
    let changed = written.changed.first();
    let Some((resource, effect)) =
        changed.and_then(|changed| Some((changed.resource.as_ref()?, changed.effect)))
    else {
        let text = "the store did not say what it wrote".to_owned();
        return Err(Error::Unavailable(text));
    };
    let warnings = ignored
        .into_iter()
        .chain(written.warnings.iter().map(warning));
    let answer = Answer::json(document::written(resource))
        .of(resource.modified)
        .at(written.revision)
        .warn(warnings.collect());
    Ok(match effect {
        Effect::Created => answer.created(),
        Effect::Changed | Effect::Deleted => answer,
    })
}

fn warning(warning: &Warning) -> String {
    warning.problem.to_string()
}

fn check_plugin_name(shared: &Shared, path: &Path) -> Result<(), Error> {
    let named = path.id.as_deref();
    match (path.collection.id_source, named) {
        (IdSource::PluginName, Some(name)) if shared.catalog.schemas(name).is_none() => {
            Err(Error::invalid("invalid plugin name"))
        }
        _ => Ok(()),
    }
}

/// What `If-Match` and `If-None-Match` ask for.
fn precondition(headers: &HeaderMap) -> Result<Precondition, Error> {
    let text = |name: &HeaderName| {
        let value = headers.get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).trim().to_owned())
    };
    let wrong = |name: &str, expected: &str, got: &str| {
        Error::Invalid(format!(
            "invalid header {name}: expected {expected}, got {got}"
        ))
    };
    match (text(&IF_MATCH), text(&IF_NONE_MATCH)) {
        (None, None) => Ok(Precondition::None),
        (None, Some(any)) if any == "*" => Ok(Precondition::Absent),
        (None, Some(other)) => Err(wrong("If-None-Match", "*", &other)),
        (Some(any), None) if any == "*" => Ok(Precondition::Present),
        (Some(revision), None) => {
            let number = revision
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'));
            let number = number.unwrap_or(&revision).parse::<Revision>().ok();
            let number = number.ok_or_else(|| wrong("If-Match", "a \"REVISION\"", &revision))?;
            Ok(Precondition::Modified(number))
        }
        (Some(_), Some(both)) => Err(wrong("If-None-Match", "only one of the two", &both)),
    }
}

/// Whether `wanted` holds for a resource that is there.
fn check(wanted: Precondition, modified: Revision) -> Result<(), Error> {
    let holds = match wanted {
        Precondition::None | Precondition::Present => true,
        Precondition::Absent => false,
        Precondition::Modified(revision) => revision == modified,
    };
    if holds {
        return Ok(());
    }
    Err(Error::Precondition {
        modified: Some(modified),
    })
}

fn message(headers: &HeaderMap) -> String {
    headers
        .get(MESSAGE)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .unwrap_or_default()
}
