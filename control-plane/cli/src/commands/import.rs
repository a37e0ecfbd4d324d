//! `weir import`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use weir_model::{Key, Resource};

use super::listing::{self, Query};
use super::write;
use crate::confirm::confirm;
use crate::connection::{self, Connection};
use crate::documents::{Document, files, rank};
use crate::exit::{Code, Failure};
use crate::output::{self, Console, Render};

/// Options of `weir import`.
#[derive(Debug, Args)]
#[command(after_help = "\
Takes what export wrote, and every other file that apply takes. All of it is one revision.
With --replace the configuration afterwards is what the files say and nothing else.

Example:
  weir import -f backup.yaml
  weir import -f apisix.yaml --replace --dry-run")]
pub struct Options {
    /// Files or directories to read; - is stdin
    #[arg(
        short = 'f',
        long = "file",
        value_name = "FILE_OR_DIR",
        required = true
    )]
    files: Vec<PathBuf>,
    /// Delete what the files do not name (except resources with a time to live)
    #[arg(long)]
    replace: bool,
    /// Do not ask before deleting
    #[arg(short = 'y', long)]
    yes: bool,
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

pub(crate) async fn run(mut options: Options, console: &Console) -> Result<Code, Failure> {
    let connection = Connection::open(&options.connection)?;
    let (documents, notes) = files::read(&options.files)?;
    for note in notes {
        console.warning(&note);
    }
    let mut changes: Vec<_> = documents.iter().map(write::put).collect();
    if options.replace {
        let present = listing::list(&connection, console, Query::default()).await?;
        let gone = left_out(&present.resources, &documents);
        if !gone.is_empty() && !options.write.dry_run {
            let question = format!("{} resources will be deleted. Go on?", gone.len());
            confirm(console, &question, options.yes)?;
        }
        changes.extend(gone.iter().map(|key| write::delete(key, false)));
        // What was looked at must still be there when it is replaced.
        if options.write.if_revision == 0 && !gone.is_empty() {
            options.write.if_revision = present.revision;
        }
    }
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

/// Resources that are there and that the files do not name; what refers to others comes first.
fn left_out(present: &[Resource], documents: &[Document]) -> Vec<Key> {
    let named: BTreeSet<_> = documents.iter().map(|document| &document.key).collect();
    let mut gone: Vec<_> = present
        .iter()
        .filter(|resource| resource.expires_at_ms.is_none() && !named.contains(&resource.key))
        .map(|resource| resource.key.clone())
        .collect();
    gone.sort_by_key(|key| std::cmp::Reverse(rank(key.kind)));
    gone
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;
    use weir_model::Kind;

    use super::*;
    use crate::documents::parse;

    #[test]
    fn what_the_files_do_not_name_goes_and_referrers_go_first() {
        let resource = |kind, id: &str, expires_at_ms| Resource {
            key: Key::new(kind, id),
            spec: Arc::new(json!({})),
            created: 1,
            modified: 1,
            create_time: 0,
            update_time: 0,
            expires_at_ms,
        };
        let present = [
            resource(Kind::Upstream, "u", None),
            resource(Kind::Route, "kept", None),
            resource(Kind::Route, "gone", None),
            resource(Kind::Route, "temporary", Some(5)),
        ];
        let files = parse("f.yaml", b"routes:\n- {id: kept, uri: /}\n").unwrap();
        let gone: Vec<_> = left_out(&present, &files.documents)
            .iter()
            .map(Key::to_string)
            .collect();
        assert_eq!(gone, ["routes/gone", "upstreams/u"]);
    }
}
