//! Reads resources, page by page, all of one revision.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use weir_model::{Key, Kind, Resource};
use weir_proto::control::{Consistency, GetRequest, ListRequest};
use weir_proto::convert;

use crate::connection::{Connection, Retry};
use crate::exit::Failure;
use crate::output::Console;
use crate::progress::Progress;

/// What to read, and how fresh.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Query {
    /// All kinds when `None`.
    pub kind: Option<Kind>,
    /// What the asked node has is enough.
    pub stale: bool,
    /// Also private keys.
    pub secrets: bool,
}

/// Resources of one revision.
pub(crate) struct Listing {
    pub revision: u64,
    pub resources: Vec<Resource>,
}

/// Reads everything that `query` asks for.
pub(crate) async fn list(
    connection: &Connection,
    console: &Console,
    query: Query,
) -> Result<Listing, Failure> {
    let progress = Progress::start(console, "reading");
    let reading = connection.control(Retry::Safe, |mut client| {
        let request = connection.request(ListRequest {
            kind: query.kind.map(Kind::name).unwrap_or_default().to_owned(),
            consistency: consistency(query.stale).into(),
            include_secrets: query.secrets,
        });
        let progress = &progress;
        async move {
            let mut pages = client.list(request).await?.into_inner();
            let mut revision = 0;
            let mut resources = Vec::new();
            while let Some(page) = connection.next(&mut pages).await? {
                revision = page.revision;
                resources.extend(page.resources);
                progress.advance(resources.len() as u64, page.total);
            }
            Ok((revision, resources))
        }
    });
    let (revision, resources) = progress.during(reading).await?;
    let resources = resources
        .into_iter()
        .map(Resource::try_from)
        .collect::<Result<_, _>>()?;
    Ok(Listing {
        revision,
        resources,
    })
}

/// Reads one resource; also returns the revision that was read.
pub(crate) async fn get(
    connection: &Connection,
    console: &Console,
    key: &Key,
    query: Query,
) -> Result<(Resource, u64), Failure> {
    let progress = Progress::start(console, "reading");
    let reading = connection.control(Retry::Safe, |mut client| {
        let request = connection.request(GetRequest {
            key: Some(key.into()),
            consistency: consistency(query.stale).into(),
            include_secrets: query.secrets,
        });
        async move { client.get(request).await }
    });
    let answer = progress.during(reading).await?.into_inner();
    let resource = answer.resource.ok_or(convert::Error::Missing("resource"))?;
    Ok((resource.try_into()?, answer.revision))
}

pub(super) fn consistency(stale: bool) -> Consistency {
    if stale {
        Consistency::Stale
    } else {
        Consistency::Linearizable
    }
}

/// The document without its own `id`, where that only repeats the key.
pub(crate) fn without_id(key: &Key, spec: &Arc<Value>) -> Arc<Value> {
    let repeats = match spec.get("id") {
        Some(Value::String(id)) => id == key.leaf(),
        Some(Value::Number(id)) => id.to_string() == key.leaf(),
        _ => false,
    };
    if !repeats {
        return Arc::clone(spec);
    }
    let mut spec = Value::clone(spec);
    if let Value::Object(fields) = &mut spec {
        fields.shift_remove("id");
    }
    Arc::new(spec)
}

/// A resource in the `{kind, id, spec}` form, which apply takes back.
pub(crate) fn envelope(resource: &Resource) -> Value {
    let mut fields = Map::new();
    fields.insert("kind".to_owned(), resource.key.kind.name().into());
    fields.insert("id".to_owned(), (*resource.key.id).into());
    fields.insert("created".to_owned(), resource.created.into());
    fields.insert("modified".to_owned(), resource.modified.into());
    fields.insert("create_time".to_owned(), resource.create_time.into());
    fields.insert("update_time".to_owned(), resource.update_time.into());
    if let Some(expires) = resource.expires_at_ms {
        fields.insert("expires_at_ms".to_owned(), expires.into());
    }
    let spec = without_id(&resource.key, &resource.spec);
    fields.insert("spec".to_owned(), json!(*spec));
    Value::Object(fields)
}
