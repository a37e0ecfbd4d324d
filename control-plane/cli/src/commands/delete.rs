//! `weir delete`.

use std::path::PathBuf;

use clap::Args;
use weir_model::{Key, Kind};

use super::write;
use crate::connection::{self, Connection};
use crate::documents::{self, files};
use crate::exit::{Code, Failure};
use crate::output::{self, Console, Render};

/// Options of `weir delete`.
#[derive(Debug, Args)]
#[command(after_help = "\
Several resources are deleted as one revision, or none of them.

Example:
  weir delete route 1 2
  weir delete upstreams/shop --force
  weir delete -f routes.yaml")]
pub struct Options {
    /// KIND ID..., or KIND/ID...
    #[arg(value_name = "RESOURCE", required_unless_present = "files")]
    resources: Vec<String>,
    /// Delete the resources that these files name; - is stdin
    #[arg(
        short = 'f',
        long = "file",
        value_name = "FILE_OR_DIR",
        conflicts_with = "resources"
    )]
    files: Vec<PathBuf>,
    /// Also when something else refers to it
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    write: write::Options,
    #[command(flatten)]
    output: output::Options,
    #[command(flatten)]
    connection: connection::Options,
}

pub(crate) async fn run(options: Options, console: &Console) -> Result<Code, Failure> {
    let connection = Connection::open(&options.connection)?;
    let (mut keys, documents) = if options.files.is_empty() {
        (keys(&options.resources)?, Vec::new())
    } else {
        let (documents, notes) = files::read(&options.files)?;
        for note in notes {
            console.warning(&note);
        }
        let keys = documents
            .iter()
            .map(|document| document.key.clone())
            .collect();
        (keys, documents)
    };
    // What refers to others goes first.
    keys.sort_by_key(|key| std::cmp::Reverse(documents::rank(key.kind)));
    let changes = keys
        .iter()
        .map(|key| write::delete(key, options.force))
        .collect();
    let report = write::submit(
        &connection,
        console,
        changes,
        &documents,
        &options.write,
        false,
    )
    .await?;
    console.data(&report.text(options.output.format, console.palette))?;
    console.note(&report.sentence());
    Ok(Code::Done)
}

/// Reads `KIND ID...` or `KIND/ID...`.
pub(crate) fn keys(words: &[String]) -> Result<Vec<Key>, Failure> {
    let Some((first, rest)) = words.split_first() else {
        return Ok(Vec::new());
    };
    if let Some(kind) = Kind::parse(first) {
        if rest.is_empty() {
            return Err(Failure::Usage(format!("which {kind}? give its id")));
        }
        return Ok(rest.iter().map(|id| Key::new(kind, id.as_str())).collect());
    }
    words.iter().map(|word| key(word)).collect()
}

/// Reads `KIND/ID`.
pub(crate) fn key(word: &str) -> Result<Key, Failure> {
    word.parse::<Key>()
        .map_err(|_| Failure::Usage(unknown_kind(word.split('/').next().unwrap_or(word))))
}

/// The message for a kind that does not exist.
pub(crate) fn unknown_kind(word: &str) -> String {
    let known: Vec<_> = Kind::ALL.into_iter().map(Kind::name).collect();
    format!("expected a kind ({}), got {word:?}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_kind_and_ids_or_keys_are_understood() {
        let shown = |text| {
            let keys: Vec<_> = keys(&words(text))
                .unwrap()
                .iter()
                .map(Key::to_string)
                .collect();
            keys.join(" ")
        };
        assert_eq!(shown("route 1 2"), "routes/1 routes/2");
        assert_eq!(shown("routes/1 upstream/2"), "routes/1 upstreams/2");
        assert_eq!(shown("credential jack/c1"), "credentials/jack/c1");
    }

    #[test]
    fn what_is_no_kind_is_a_usage_error() {
        for text in ["rout 1", "route", "routes/1 2"] {
            assert!(
                matches!(keys(&words(text)), Err(Failure::Usage(_))),
                "{text}"
            );
        }
    }
}
