//! `weir discovery list`.

use clap::Args;
use serde_json::Value;
use weir_proto::discovery::Watched;

use super::{data, fetch, registry, state};
use crate::connection::Connection;
use crate::exit::{Code, Failure};
use crate::output::{Console, Format, Palette, Render, table, time};

/// Options of `weir discovery list`.
#[derive(Debug, Args)]
#[command(after_help = "\
One line for each lookup at each control node. AGE is the time since the registry last confirmed
what is used, CHANGED the time since that was another.

Example:
  weir discovery list
  weir discovery list --registry main -o json")]
pub(crate) struct Options {
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
    let watched = fetch(connection, console, options.registry.as_deref(), "", true).await?;
    if watched.is_empty() && format == Format::Table {
        console.note("no upstream looks anything up");
    }
    let shown = Shown {
        data: watched.iter().map(data).collect::<Result<_, _>>()?,
        watched,
        now_ms: time::now_ms(),
    };
    console.data(&shown.text(format, console.palette))?;
    Ok(Code::Done)
}

pub(super) struct Shown {
    pub(super) watched: Vec<Watched>,
    pub(super) data: Vec<Value>,
    pub(super) now_ms: u64,
}

impl Render for Shown {
    fn table(&self, palette: Palette) -> String {
        let rows: Vec<_> = self
            .watched
            .iter()
            .map(|watched| {
                vec![
                    registry(watched),
                    watched.service_name.clone(),
                    watched.node_id.to_string(),
                    watched.endpoint_count.to_string(),
                    time::ago(watched.checked_ms, self.now_ms),
                    time::ago(watched.changed_ms, self.now_ms),
                    short(&watched.index),
                    state(watched, self.now_ms),
                ]
            })
            .collect();
        let mut text = table::columns(
            &[
                "REGISTRY",
                "SERVICE",
                "NODE",
                "ENDPOINTS",
                "AGE",
                "CHANGED",
                "INDEX",
                "STATE",
            ],
            &rows,
        );
        let troubled = self
            .watched
            .iter()
            .filter(|watched| watched.held.is_some() || watched.failure.is_some())
            .count();
        if troubled > 0 {
            let more = format!("{troubled} need a look: weir discovery show SERVICE");
            text.push_str(&format!("\n\n{}", palette.bad(&more)));
        }
        text
    }

    fn data(&self) -> Value {
        Value::from(self.data.clone())
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self
            .watched
            .iter()
            .map(|watched| watched.service_name.clone())
            .collect();
        names.sort();
        names.dedup();
        names
    }
}

fn short(text: &str) -> String {
    // Eureka's index grows with the kinds of status that there are, a hash is long.
    match text.char_indices().nth(16) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or(text)),
        None if text.is_empty() => "-".to_owned(),
        None => text.to_owned(),
    }
}
