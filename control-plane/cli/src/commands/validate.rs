//! `weir validate`.

use std::path::PathBuf;

use clap::Args;

use super::write;
use crate::connection::{self, Connection};
use crate::documents::files;
use crate::exit::{Code, Failure};
use crate::output::{self, Console, Render};

/// Options of `weir validate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Everything that apply would check is checked, by the control plane and against its present
state; nothing is written. With --offline only the form of the files is checked.

Example:
  weir validate -f config/
  weir validate -f routes.yaml --offline")]
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
    /// Do not ask the control plane: find only what is wrong with the form of the files
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    output: output::Options,
    #[command(flatten)]
    connection: connection::Options,
}

pub(crate) async fn run(options: Options, console: &Console) -> Result<Code, Failure> {
    let (documents, notes) = files::read(&options.files)?;
    for note in notes {
        console.warning(&note);
    }
    let count = documents.len();
    if options.offline {
        console.note(&format!("{count} documents are well formed"));
        return Ok(Code::Done);
    }
    let connection = Connection::open(&options.connection)?;
    let checked = write::Options {
        dry_run: true,
        message: String::new(),
        if_revision: 0,
    };
    let changes = documents.iter().map(write::put).collect();
    let report = write::submit(
        &connection,
        console,
        changes,
        &documents,
        &checked,
        options.allow_unknown,
    )
    .await?;
    if options.output.format != output::Format::Table {
        console.data(&report.text(options.output.format, console.palette))?;
    }
    console.note(&format!("{count} documents are valid"));
    Ok(Code::Done)
}
