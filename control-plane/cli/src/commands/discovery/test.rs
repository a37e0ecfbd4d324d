//! `weir discovery test`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value, json};
use weir_discovery::ErrorKind;
use weir_model::Kind;
use weir_model::endpoint::EndpointSet;
use weir_model::registry::Registry;
use weir_proto::convert::endpoint::from_wire;
use weir_proto::discovery::TestRequest;

use super::rows;
use crate::connection::{self, Connection, Retry};
use crate::documents::{Document, Fault, files};
use crate::exit::{Code, Failure};
use crate::output::{Console, Format, Palette, Render, table};
use crate::progress::Progress;

/// Options of `weir discovery test`.
#[derive(Debug, Args)]
#[command(after_help = "\
The registry is asked by this very command, with the variables of its environment; with
--via-server by a control node. Nothing is stored.

Example:
  weir discovery test -f registry.yaml web
  weir discovery test -f registries.yaml --registry main --namespace-id prod web -o json")]
pub(crate) struct Options {
    /// File with the registry document, which need say neither `kind` nor `id`; - is stdin
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    file: PathBuf,
    /// Name of the service in the registry
    #[arg(value_name = "SERVICE")]
    service: String,
    /// Which registry of the file, when it has several
    #[arg(long, value_name = "ID")]
    registry: Option<String>,
    /// As discovery_args.namespace_id of an upstream
    #[arg(long, value_name = "NAMESPACE")]
    namespace_id: Option<String>,
    /// As discovery_args.group_name of an upstream
    #[arg(long, value_name = "GROUP")]
    group_name: Option<String>,
    /// Let a control node ask, with its network and its environment
    #[arg(long)]
    via_server: bool,
}

pub(crate) async fn run(
    options: &Options,
    format: Format,
    connection: &connection::Options,
    console: &Console,
) -> Result<Code, Failure> {
    let (documents, notes) = files::read_registries(std::slice::from_ref(&options.file))?;
    for note in notes {
        console.warning(&note);
    }
    let document = chosen(&documents, options.registry.as_deref(), &options.file)?;
    let registry = Registry::parse(&document.spec).map_err(|problem| {
        Failure::Documents(vec![document.fault(&problem.path, problem.message)])
    })?;
    let upstream = upstream(options);
    let progress = Progress::start(console, "asking the registry");
    let answer = if options.via_server {
        // The answer must come before this side gives up.
        let limit = connection.timeout.mul_f64(0.9);
        let asking = via_server(Connection::open(connection)?, document, &upstream, limit);
        progress.during(asking).await?
    } else {
        let asking = itself(&registry, &upstream, connection.timeout);
        progress.during(asking).await?
    };
    drop(progress);
    if answer.set.is_empty() {
        let why = match answer.note.as_str() {
            "" => "the registry names no endpoints",
            note => note,
        };
        let message = format!("service {:?} has no endpoints: {why}", options.service);
        return Err(Failure::NotFound(message));
    }
    let shown = Shown {
        registry: format!("{} ({})", document.key.leaf(), registry.backend.kind()),
        service: options.service.clone(),
        answer,
    };
    console.data(&shown.text(format, console.palette))?;
    Ok(Code::Done)
}

/// The registry document that is meant.
fn chosen<'a>(
    documents: &'a [Document],
    id: Option<&str>,
    file: &Path,
) -> Result<&'a Document, Failure> {
    let file = file.display();
    let fits = |document: &&Document| {
        document.key.kind == Kind::Registry && id.is_none_or(|id| id == document.key.leaf())
    };
    let mut found = documents.iter().filter(fits);
    match (found.next(), found.next()) {
        (Some(document), None) => Ok(document),
        (Some(_), Some(_)) => Err(Failure::Usage(format!(
            "there are several registries in {file}: name one with --registry"
        ))),
        (None, _) => Err(Failure::NotFound(match id {
            Some(id) => format!("there is no registry {id:?} in {file}"),
            None => format!("there is no registry in {file}"),
        })),
    }
}

/// An upstream document that looks the service up.
fn upstream(options: &Options) -> Value {
    let mut args = Map::new();
    let given = [
        ("namespace_id", &options.namespace_id),
        ("group_name", &options.group_name),
    ];
    for (name, value) in given {
        if let Some(value) = value {
            args.insert(name.to_owned(), value.as_str().into());
        }
    }
    json!({"service_name": options.service, "discovery_args": args})
}

/// What the registry said.
pub(super) struct Answer {
    pub(super) set: Arc<EndpointSet>,
    pub(super) index: String,
    pub(super) note: String,
}

/// Asks from here.
async fn itself(registry: &Registry, upstream: &Value, limit: Duration) -> Result<Answer, Failure> {
    let lookup = weir_discovery::lookup(registry, upstream)
        .map_err(|problem| Failure::Usage(problem.to_string()))?;
    let env: weir_discovery::Environment<'_> = &|name| std::env::var(name).ok();
    match weir_discovery::ask_once(registry, &lookup, env, limit).await {
        Ok(seen) => Ok(Answer {
            set: seen.set,
            index: seen.index,
            note: seen.note.unwrap_or_default(),
        }),
        Err(error) => Err(failed(error.kind.as_str(), &error.to_string())),
    }
}

/// Lets a control node ask.
async fn via_server(
    connection: Connection,
    document: &Document,
    upstream: &Value,
    limit: Duration,
) -> Result<Answer, Failure> {
    let message = TestRequest {
        registry: document.spec.to_string().into_bytes(),
        upstream: upstream.to_string().into_bytes(),
        timeout_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
    };
    let asking = connection.discovery(Retry::Safe, |mut client| {
        let request = connection.request(message.clone());
        async move { client.test(request).await }
    });
    let answer = asking.await?.into_inner();
    if let Some(failure) = answer.failure {
        return Err(failed(&failure.kind, &failure.message));
    }
    let set = answer
        .endpoints
        .ok_or(weir_proto::convert::Error::Missing("endpoints"))?;
    Ok(Answer {
        set: from_wire(set)?.1,
        index: answer.index,
        note: answer.note,
    })
}

/// A registry that does not answer is unavailable; one that refuses or cannot be meant is refused.
pub(super) fn failed(kind: &str, message: &str) -> Failure {
    let silent = [
        ErrorKind::Unreachable,
        ErrorKind::Timeout,
        ErrorKind::Failed,
    ];
    let code = match silent.iter().any(|silent| silent.as_str() == kind) {
        true => Code::Unavailable,
        false => Code::Refused,
    };
    Failure::Refused {
        code,
        faults: vec![Fault {
            source: None,
            key: None,
            path: String::new(),
            message: format!("the registry cannot be used ({kind}): {message}"),
        }],
    }
}

pub(super) struct Shown {
    pub(super) registry: String,
    pub(super) service: String,
    pub(super) answer: Answer,
}

impl Render for Shown {
    fn table(&self, _palette: Palette) -> String {
        let answer = &self.answer;
        let mut pairs = vec![
            ("registry", self.registry.clone()),
            ("service", self.service.clone()),
            ("index", answer.index.clone()),
            ("endpoints", answer.set.len().to_string()),
        ];
        if !answer.note.is_empty() {
            pairs.push(("note", answer.note.clone()));
        }
        format!("{}\n\n{}", table::pairs(&pairs), rows(&answer.set))
    }

    fn data(&self) -> Value {
        json!({
            "service_name": self.service,
            "index": self.answer.index,
            "note": self.answer.note,
            "endpoints": self.answer.set.endpoints(),
        })
    }

    fn names(&self) -> Vec<String> {
        let all = self.answer.set.endpoints();
        all.iter().map(ToString::to_string).collect()
    }
}
