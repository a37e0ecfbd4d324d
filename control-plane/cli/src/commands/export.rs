//! `weir export`.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};
use weir_model::{Key, Kind, Resource};

use super::listing::{self, Query};
use crate::connection::{self, Connection};
use crate::exit::{Code, Failure};
use crate::output::{Console, json, yaml};

/// Options of `weir export`.
#[derive(Debug, Args)]
#[command(after_help = "\
The file is an APISIX standalone file: lists under routes:, upstreams: and so on. It holds
private keys. Resources with a time to live are left out.

Example:
  weir export > backup.yaml
  weir export --file backup.json -o json")]
pub struct Options {
    /// Write to this file, which only its owner can read, instead of stdout
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// What the asked node has is enough: works without a leader, may be old
    #[arg(long)]
    stale: bool,
    /// Form of the file
    #[arg(
        short = 'o',
        long = "output",
        value_name = "FORM",
        value_enum,
        default_value = "yaml"
    )]
    form: Form,
    #[command(flatten)]
    connection: connection::Options,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    /// YAML
    Yaml,
    /// JSON
    Json,
}

pub(crate) async fn run(options: Options, console: &Console) -> Result<Code, Failure> {
    let connection = Connection::open(&options.connection)?;
    let query = Query {
        kind: None,
        stale: options.stale,
        secrets: true,
    };
    let listing = listing::list(&connection, console, query).await?;
    let (temporary, lasting): (Vec<_>, Vec<_>) = listing
        .resources
        .iter()
        .partition(|resource| resource.expires_at_ms.is_some());
    for resource in &temporary {
        console.warning(&format!("{} is left out: it expires", resource.key));
    }
    let document = standalone(&lasting);
    let text = match options.form {
        Form::Json => json::pretty(&document) + "\n",
        Form::Yaml => format!(
            "# weir export of revision {}\n{}#END\n",
            listing.revision,
            yaml::text(&document)
        ),
    };
    match &options.file {
        Some(path) => {
            write(path, &text).map_err(|error| Failure::io(path.display().to_string(), error))?;
        }
        None => console.data(&text)?,
    }
    console.note(&format!(
        "{} resources of revision {}",
        lasting.len(),
        listing.revision
    ));
    Ok(Code::Done)
}

/// Writes a new file beside the old one and then takes its name, so that there is always a whole
/// file.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(new, path)
}

/// The lists of a standalone file.
pub(crate) fn standalone(resources: &[&Resource]) -> Value {
    let mut collections = Map::new();
    for kind in Kind::ALL {
        let items: Vec<_> = resources
            .iter()
            .filter(|resource| resource.key.kind == kind)
            .map(|resource| item(&resource.key, &resource.spec))
            .collect();
        if !items.is_empty() {
            collections.insert(kind.collection().to_owned(), Value::Array(items));
        }
    }
    Value::Object(collections)
}

/// One resource with its id among its fields.
fn item(key: &Key, spec: &Value) -> Value {
    let mut fields = Map::new();
    if key.kind != Kind::Consumer {
        fields.insert("id".to_owned(), (*key.id).into());
    }
    if let Value::Object(own) = spec {
        for (name, value) in own {
            if name != "id" {
                fields.insert(name.clone(), value.clone());
            }
        }
    }
    if key.kind == Kind::Consumer && !fields.contains_key("username") {
        fields.insert("username".to_owned(), (*key.id).into());
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests;
