//! Writing configuration through the Admin API, and taking it away again.

use http::Method;
use serde_json::Value;

use super::document::Refused;
use super::matching;
use super::stage::Stage;
use crate::agent::revision;
use crate::cli;
use crate::client::Answer;

/// Collections, in an order in which all can be emptied.
const COLLECTIONS: [&str; 11] = [
    "routes",
    "stream_routes",
    "services",
    "upstreams",
    "consumers",
    "consumer_groups",
    "plugin_configs",
    "global_rules",
    "plugin_metadata",
    "protos",
    "ssls",
];

/// What a case has written, as `COLLECTION/ID`, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Written {
    paths: Vec<String>,
    anything: bool,
}

impl Written {
    /// Remembers the object that an answer of the Admin API is about.
    pub(crate) fn note(&mut self, answer: &Answer) {
        let body = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
        let key = body["key"]
            .as_str()
            .and_then(|key| key.strip_prefix("/apisix/"));
        if let Some(key) = key.filter(|key| !self.paths.iter().any(|known| known == key)) {
            self.paths.push(key.to_owned());
        }
    }
}

/// Writes documents one by one and waits until the agent has the last.
///
/// # Errors
/// The first refusal, by the control plane or the agent.
pub(crate) async fn write(
    stage: &mut Stage,
    documents: impl IntoIterator<Item = (String, Value)>,
) -> Result<(), String> {
    let mut last = 0;
    for (collection, list) in documents {
        let list = match list {
            Value::Array(list) => list,
            one => vec![one],
        };
        for document in list {
            let path = path(&collection, &document)?;
            let answer = stage
                .control()
                .try_admin(Method::PUT, &path, &document)
                .await?;
            if !answer.status.is_success() {
                return Err(format!(
                    "PUT {path} {document}: {} {}",
                    answer.status,
                    answer.text()
                ));
            }
            stage.written.note(&answer);
            last = revision(&answer);
        }
    }
    stage.applied(last).await
}

/// Applies an APISIX standalone file with the command line.
///
/// # Errors
/// What the command or the agent said.
pub(crate) async fn apply(stage: &mut Stage, text: &str) -> Result<(), String> {
    stage.written.anything = true;
    let server = stage.control_address();
    let output = cli::weir(&server, &["apply", "-f", "-"], text);
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let status = stage.control().status().await?;
    let revision = status["state_hash_index"].as_u64();
    stage
        .applied(revision.ok_or_else(|| format!("no revision: {status}"))?)
        .await
}

/// Removes objects and waits until the agent has heard of it.
///
/// # Errors
/// What the control plane said.
pub(crate) async fn remove(stage: &mut Stage, paths: &[String]) -> Result<(), String> {
    let mut last = 0;
    for path in paths {
        let answer = stage
            .control()
            .try_admin(Method::DELETE, path, &Value::Null)
            .await?;
        if !answer.status.is_success() && answer.status != 404 {
            return Err(format!(
                "DELETE {path}: {} {}",
                answer.status,
                answer.text()
            ));
        }
        last = revision(&answer);
        stage.written.paths.retain(|known| known != path);
    }
    stage.agent.applied(last).await;
    Ok(())
}

/// Takes away everything that the case has written, newest first.
///
/// # Errors
/// What the control plane said.
pub(crate) async fn clear(stage: &mut Stage) -> Result<(), String> {
    let mut paths = Vec::new();
    if std::mem::take(&mut stage.written.anything) {
        for collection in COLLECTIONS {
            let listed = stage
                .control()
                .try_admin(Method::GET, collection, &Value::Null)
                .await?;
            let list = listed.json()["list"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let keys = list
                .iter()
                .filter_map(|item| item["key"].as_str()?.strip_prefix("/apisix/"));
            paths.extend(keys.map(str::to_owned));
        }
    }
    paths.extend(stage.written.paths.iter().rev().cloned());
    if paths.is_empty() {
        Ok(())
    } else {
        remove(stage, &paths).await
    }
}

/// Writes a document that must be refused, and compares the message.
///
/// # Errors
/// It was taken, or refused with another message.
pub(crate) async fn refused(stage: &mut Stage, expected: &Refused) -> Result<(), String> {
    for (collection, document) in &expected.refused {
        let path = path(collection, document)?;
        let answer = stage
            .control()
            .try_admin(Method::PUT, &path, document)
            .await?;
        stage.written.note(&answer);
        let message = answer.json()["error_msg"].as_str().map(str::to_owned);
        if answer.status != 400 {
            return Err(format!(
                "PUT {path}: expected 400, got {} {}",
                answer.status,
                answer.text()
            ));
        }
        if let Some(wrong) = matching::text("error_msg", &expected.says, message.as_deref()) {
            return Err(format!("PUT {path}: {wrong}"));
        }
    }
    Ok(())
}

fn path(collection: &str, document: &Value) -> Result<String, String> {
    let id = ["id", "username"]
        .into_iter()
        .find_map(|name| match &document[name] {
            Value::String(id) => Some(id.clone()),
            Value::Number(id) => Some(id.to_string()),
            _ => None,
        });
    let id = id.ok_or_else(|| format!("{collection}: no id: {document}"))?;
    Ok(format!("{collection}/{id}"))
}
