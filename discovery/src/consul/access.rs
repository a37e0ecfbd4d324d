//! Whether the token may see what it asks for: Consul answers 200 and an empty list when not.

use serde::Deserialize;
use serde_json::{Value, json};

use super::client::Client;
use crate::http::Answer;
use crate::{Error, ErrorKind};

/// What must be readable: resource and name, as in ACL rules.
pub(super) type Needs<'a> = &'a [(&'static str, &'a str)];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Decision {
    resource: String,
    allow: bool,
}

/// Asks whether an `empty` answer is one: whether the token has the first of `needs`, or without a
/// token all of them. (A token that may read some nodes only is told by the header.)
///
/// # Errors
/// [`ErrorKind::Refused`] when not, and whatever keeps the question from being answered.
pub(super) async fn check(client: &Client, empty: &Answer, needs: Needs<'_>) -> Result<(), Error> {
    if empty.header("x-consul-results-filtered-by-acls") == Some("true") {
        let message =
            "the token may not read all that was asked for: the empty answer means nothing";
        return Err(Error::at(&empty.server, ErrorKind::Refused, message));
    }
    let needs = if client.is_anonymous() {
        needs
    } else {
        needs.get(..1).unwrap_or(needs)
    };
    let asked: Vec<Value> = needs
        .iter()
        .map(|(resource, segment)| {
            json!({"Resource": resource, "Access": "read", "Segment": segment})
        })
        .collect();
    let body = Value::from(asked);
    let answer = client.post("/v1/internal/acl/authorize", &body).await?;
    let said = String::from_utf8_lossy(&answer.body);
    // Without ACLs everybody may see everything; servers before 1.6 do not know the question.
    if said.contains("ACL support disabled") || answer.status == http::StatusCode::NOT_FOUND {
        return Ok(());
    }
    let decisions: Vec<Decision> = answer.json()?;
    match decisions.iter().find(|decision| !decision.allow) {
        None => Ok(()),
        Some(denied) => {
            let missing = needs
                .iter()
                .find(|(resource, _)| *resource == denied.resource);
            let name = missing.map_or("", |(_, name)| name);
            let message = format!(
                "the token may not read {} {name:?}: the empty answer means nothing",
                denied.resource
            );
            Err(Error::at(&answer.server, ErrorKind::Refused, message))
        }
    }
}
