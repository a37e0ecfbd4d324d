//! `weir apply`.

use std::path::PathBuf;

use clap::Args;

use super::write;
use crate::connection::{self, Connection};
use crate::documents::files;
use crate::exit::{Code, Failure};
use crate::output::{self, Console, Render};

/// Options of `weir apply`.
#[derive(Debug, Args)]
#[command(after_help = "\
Documents are YAML or JSON, one or many in a file: fields beside `kind` and `id`, or
{kind, id, spec}, or an APISIX standalone file (routes: ... #END) as it is. Everything
that one apply changes becomes visible at once, as one revision, or not at all.
Documents that say what is there already are not written again.

Example:
  weir apply -f routes.yaml
  weir apply -f config/ --message 'move shop to v2'
  echo '{\"kind\":\"upstream\",\"id\":\"shop\",\"nodes\":{\"127.0.0.1:1980\":1}}' | weir apply -f -")]
pub struct Options {
    /// Files or directories to read; - is stdin
    #[arg(
        short = 'f',
        long = "file",
        value_name = "FILE_OR_DIR",
        required = true
    )]
    files: Vec<PathBuf>,
    /// Accept fields that nothing reads
    #[arg(long)]
    allow_unknown: bool,
    #[command(flatten)]
    write: write::Options,
    #[command(flatten)]
    output: output::Options,
    #[command(flatten)]
    connection: connection::Options,
}

pub(crate) async fn run(options: Options, console: &Console) -> Result<Code, Failure> {
    let connection = Connection::open(&options.connection)?;
    let (documents, notes) = files::read(&options.files)?;
    for note in notes {
        console.warning(&note);
    }
    let changes = documents.iter().map(write::put).collect();
    let report = write::submit(
        &connection,
        console,
        changes,
        &documents,
        &options.write,
        options.allow_unknown,
    )
    .await?;
    console.data(&report.text(options.output.format, console.palette))?;
    console.note(&report.sentence());
    Ok(Code::Done)
}
