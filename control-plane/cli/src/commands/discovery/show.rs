//! `weir discovery show`.

use clap::Args;
use serde_json::Value;
use weir_model::endpoint::EndpointSet;
use weir_proto::convert::endpoint::from_wire;
use weir_proto::discovery::Watched;

use super::{data, fetch, registry, rows};
use crate::connection::Connection;
use crate::exit::{Code, Failure};
use crate::output::{Console, Format, Palette, Render, table, time};

/// Options of `weir discovery show`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  weir discovery show web
  weir discovery show web --registry main -o json")]
pub(crate) struct Options {
    /// Name of the service in its registry
    #[arg(value_name = "SERVICE")]
    service: String,
    /// Only of this registry, by name or type
    #[arg(long, value_name = "REGISTRY")]
    registry: Option<String>,
}

pub(crate) async fn run(
    options: &Options,
    format: Format,
    connection: &Connection,
    console: &Console,
) -> Result<Code, Failure> {
    let registry = options.registry.as_deref();
    let watched = fetch(connection, console, registry, &options.service, false).await?;
    if watched.is_empty() {
        let message = format!("no upstream looks up the service {:?}", options.service);
        return Err(Failure::NotFound(message));
    }
    let shown = Shown::new(watched, time::now_ms())?;
    console.data(&shown.text(format, console.palette))?;
    Ok(Code::Done)
}

pub(super) struct Shown {
    watched: Vec<Watched>,
    sets: Vec<Option<std::sync::Arc<EndpointSet>>>,
    data: Vec<Value>,
    now_ms: u64,
}

impl Shown {
    pub(super) fn new(watched: Vec<Watched>, now_ms: u64) -> Result<Self, Failure> {
        let set = |watched: &Watched| match watched.endpoints.clone() {
            Some(set) => Ok(Some(from_wire(set)?.1)),
            None => Ok(None),
        };
        Ok(Self {
            sets: watched.iter().map(set).collect::<Result<_, Failure>>()?,
            data: watched.iter().map(data).collect::<Result<_, _>>()?,
            watched,
            now_ms,
        })
    }

    fn one(&self, watched: &Watched, set: Option<&EndpointSet>, palette: Palette) -> String {
        let ago = |at_ms| match at_ms {
            0 => "never".to_owned(),
            at_ms => format!("{} ago", time::ago(at_ms, self.now_ms)),
        };
        let users: Vec<_> = watched
            .users
            .iter()
            .filter_map(|key| weir_model::Key::try_from(key.clone()).ok())
            .map(|key| key.to_string())
            .collect();
        let mut pairs = vec![
            ("service", watched.service_name.clone()),
            (
                "registry",
                format!("{} ({})", registry(watched), watched.r#type),
            ),
            ("control node", watched.node_id.to_string()),
            ("used by", users.join(" ")),
            ("index", watched.index.clone()),
            ("confirmed", ago(watched.checked_ms)),
            ("changed", ago(watched.changed_ms)),
        ];
        if !watched.note.is_empty() {
            pairs.push(("note", watched.note.clone()));
        }
        let mut text = table::pairs(&pairs);
        let mut alarm = |line: String| {
            text.push('\n');
            text.push_str(&palette.bad(&table::clean(&line)));
        };
        if let Some(failure) = &watched.failure {
            let since = time::ago(failure.since_ms, self.now_ms);
            alarm(format!(
                "cannot be read for {since}, {} attempts: {}: {}",
                failure.attempts, failure.kind, failure.message
            ));
        }
        if let Some(held) = &watched.held {
            let since = time::ago(held.since_ms, self.now_ms);
            alarm(format!(
                "held back for {since}: the registry names {} endpoints, {} in use are missing; taken at {}, or now with: weir discovery accept {}",
                held.offered,
                held.missing,
                time::stamp(held.until_ms),
                watched.service_name
            ));
        }
        match set {
            Some(set) if !set.is_empty() => text.push_str(&format!("\n\n{}", rows(set))),
            Some(_) => text.push_str("\n\nno endpoints"),
            None => text.push_str("\n\nnothing is known yet"),
        }
        text
    }
}

impl Render for Shown {
    fn table(&self, palette: Palette) -> String {
        let all = self.watched.iter().zip(&self.sets);
        let parts: Vec<_> = all
            .map(|(watched, set)| self.one(watched, set.as_deref(), palette))
            .collect();
        parts.join("\n\n")
    }

    fn data(&self) -> Value {
        Value::from(self.data.clone())
    }

    /// Addresses, each once.
    fn names(&self) -> Vec<String> {
        let sets = self.sets.iter().flatten();
        let mut names: Vec<_> = sets
            .flat_map(|set| set.endpoints())
            .map(ToString::to_string)
            .collect();
        names.sort();
        names.dedup();
        names
    }
}
