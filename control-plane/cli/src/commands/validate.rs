//! `weir validate`.

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::Args;
use serde_json::{Value, json};
use weir_model::{PluginCatalog, PluginPart, PluginSchemas};

use super::write;
use crate::connection::{self, Connection};
use crate::documents::{Document, files};
use crate::exit::{Code, Failure};
use crate::output::{self, Console, Render, table};

/// Options of `weir validate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Everything that apply would check is checked, by the control plane and against its present
state; nothing is written. With --offline each document is checked for itself: neither what
it refers to, nor the settings of plugins.

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
    /// Do not ask the control plane: check each document for itself, without its plugins
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
        for warning in offline(&documents, options.allow_unknown)? {
            console.warning(&table::clean(&warning));
        }
        console.note(&format!("{count} documents are valid, each for itself"));
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

/// Checks every document for itself; returns the warnings.
fn offline(documents: &[Document], allow_unknown: bool) -> Result<Vec<String>, Failure> {
    let mut faults = Vec::new();
    let mut warnings = Vec::new();
    for document in documents {
        let found = weir_model::validate(&document.key, &document.spec, &AnyPlugin);
        let problems = found.problems.into_iter();
        faults.extend(problems.map(|problem| document.fault(&problem.path, problem.message)));
        for field in found.unknown {
            let nearest = field
                .nearest
                .map(|name| format!("; the nearest known name is {name}"));
            let text = format!("unknown field{}", nearest.unwrap_or_default());
            let fault = document.fault(&field.path, text);
            if allow_unknown {
                warnings.push(fault.to_string());
            } else {
                faults.push(fault);
            }
        }
        let pending = found.pending.into_iter();
        warnings.extend(
            pending.map(|problem| document.fault(&problem.path, problem.message).to_string()),
        );
    }
    if faults.is_empty() {
        Ok(warnings)
    } else {
        Err(Failure::Documents(faults))
    }
}

/// A catalog that takes every plugin and every setting: which plugins there are is known to the
/// control plane.
struct AnyPlugin;

static ANYTHING: LazyLock<Value> = LazyLock::new(|| json!({"type": "object"}));

impl PluginCatalog for AnyPlugin {
    fn names(&self) -> Vec<&str> {
        Vec::new()
    }

    fn schemas(&self, _name: &str) -> Option<PluginSchemas<'_>> {
        Some(PluginSchemas {
            config: &ANYTHING,
            consumer: Some(&ANYTHING),
            metadata: Some(&ANYTHING),
            priority: 0,
            auth: true,
        })
    }

    fn stream_schemas(&self, name: &str) -> Option<PluginSchemas<'_>> {
        self.schemas(name)
    }

    fn check(&self, _name: &str, _part: PluginPart, _config: &Value) -> Result<(), String> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::parse;

    fn checked(text: &str, allow_unknown: bool) -> Result<Vec<String>, Failure> {
        let documents = parse("f.yaml", text.as_bytes()).unwrap().documents;
        offline(&documents, allow_unknown)
    }

    #[test]
    fn each_document_is_checked_for_itself() {
        let fine = "\
routes: [{id: 1, uri: /, upstream_id: elsewhere, plugins: {anything: {x: 1}}}]
consumers: [{username: jack, plugins: {key-auth: {key: a}}}]
credentials: [{id: jack/c, plugins: {key-auth: {key: a}}}]
plugin_metadata: [{id: anything, x: 1}]
";
        assert_eq!(checked(fine, false).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn all_faults_are_told_with_their_places() {
        let text = "kind: route\nid: 1\nuri: 5\n---\nkind: upstream\nid: u\ntype: roundrobin\n\
                    nodes: 5\n";
        let failure = checked(text, false).unwrap_err();
        assert_eq!(failure.code(), Code::Refused);
        let told = failure.to_string();
        assert!(told.contains("f.yaml:3: routes/1: uri: "), "{told}");
        assert!(told.contains(" upstreams/u: "), "{told}");
    }

    #[test]
    fn unknown_fields_are_refused_or_told() {
        let text = "kind: upstream\nid: u\ntype: roundrobin\nnodes: {}\nchecks:\n  active:\n    \
                    http_paht: /\n";
        let refused = checked(text, false).unwrap_err().to_string();
        assert!(
            refused.contains("f.yaml:7: upstreams/u: checks.active.http_paht"),
            "{refused}"
        );
        assert!(refused.contains("http_path"), "{refused}");
        let warnings = checked(text, true).unwrap();
        assert!(
            warnings.iter().any(|text| text.contains("http_paht")),
            "{warnings:?}"
        );
    }
}
