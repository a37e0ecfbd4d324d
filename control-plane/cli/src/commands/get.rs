//! `weir get`.

use clap::Args;
use serde_json::Value;
use weir_model::{Key, Kind, Resource};

use super::delete::{key, unknown_kind};
use super::listing::{self, Query};
use super::summary;
use crate::connection::{self, Connection};
use crate::exit::{Code, Failure};
use crate::output::{self, Console, Format, Palette, Render, table};

/// Options of `weir get`.
#[derive(Debug, Args)]
#[command(after_help = "\
Private keys of ssl resources are left out; export has them.

Example:
  weir get route
  weir get upstream shop -o yaml
  weir get routes/1 -o json --stale")]
pub struct Options {
    /// The kind, or KIND/ID; `all` for every kind
    #[arg(value_name = "KIND")]
    what: String,
    /// The id; without it, all of the kind
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// What the asked node has is enough: works without a leader, may be old
    #[arg(long)]
    stale: bool,
    #[command(flatten)]
    output: output::Options,
    #[command(flatten)]
    connection: connection::Options,
}

pub(crate) async fn run(options: Options, console: &Console) -> Result<Code, Failure> {
    let connection = Connection::open(&options.connection)?;
    let query = Query {
        stale: options.stale,
        ..Query::default()
    };
    let (shown, revision) = match wanted(&options.what, options.id.as_deref())? {
        Wanted::One(key) => {
            let (resource, revision) = listing::get(&connection, console, &key, query).await?;
            let shown = Shown {
                resources: vec![resource],
                one: true,
            };
            (shown, revision)
        }
        Wanted::Kind(kind) => {
            let query = Query { kind, ..query };
            let listing = listing::list(&connection, console, query).await?;
            if listing.resources.is_empty() && options.output.format == Format::Table {
                let what = kind.map_or("resources", Kind::collection);
                console.note(&format!("no {what} at revision {}", listing.revision));
            }
            let shown = Shown {
                resources: listing.resources,
                one: false,
            };
            (shown, listing.revision)
        }
    };
    if options.stale {
        console.note(&format!("stale read of revision {revision}"));
    }
    console.data(&shown.text(options.output.format, console.palette))?;
    Ok(Code::Done)
}

#[derive(Debug, PartialEq)]
enum Wanted {
    One(Key),
    /// All of a kind; of every kind when `None`.
    Kind(Option<Kind>),
}

fn wanted(what: &str, id: Option<&str>) -> Result<Wanted, Failure> {
    match (Kind::parse(what), id) {
        (Some(kind), Some(id)) => Ok(Wanted::One(Key::new(kind, id))),
        (Some(kind), None) => Ok(Wanted::Kind(Some(kind))),
        (None, None) if what == "all" => Ok(Wanted::Kind(None)),
        (None, None) if what.contains('/') => key(what).map(Wanted::One),
        _ => Err(Failure::Usage(unknown_kind(what))),
    }
}

struct Shown {
    resources: Vec<Resource>,
    one: bool,
}

impl Render for Shown {
    fn table(&self, _palette: Palette) -> String {
        let mut kinds: Vec<Kind> = Vec::new();
        for resource in &self.resources {
            if !kinds.contains(&resource.key.kind) {
                kinds.push(resource.key.kind);
            }
        }
        let many = kinds.len() > 1;
        let parts: Vec<_> = kinds
            .into_iter()
            .map(|kind| {
                let of_kind: Vec<_> = self
                    .resources
                    .iter()
                    .filter(|resource| resource.key.kind == kind)
                    .collect();
                let (headers, rows) = summary::table(kind, &of_kind);
                let columns = table::columns(&headers, &rows);
                if many {
                    format!("{}\n{columns}\n", kind.collection())
                } else {
                    columns
                }
            })
            .collect();
        parts.join("\n")
    }

    fn data(&self) -> Value {
        match self.resources.as_slice() {
            [resource] if self.one => listing::envelope(resource),
            resources => resources.iter().map(listing::envelope).collect(),
        }
    }

    fn names(&self) -> Vec<String> {
        self.resources
            .iter()
            .map(|resource| resource.key.to_string())
            .collect()
    }

    fn documents(&self) -> Vec<Value> {
        self.resources.iter().map(listing::envelope).collect()
    }
}

#[cfg(test)]
mod tests;
