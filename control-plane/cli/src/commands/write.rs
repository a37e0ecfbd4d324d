//! What every writing command shares: its options, the request, and the report.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Value, json};
use weir_model::Key;
use weir_proto::control::{
    ApplyRequest, ApplyResponse, Change, Effect, change::Operation as WireOperation,
};
use weir_proto::convert;

use crate::connection::{Connection, Retry};
use crate::documents::{Document, Fault};
use crate::exit::{Failure, problem};
use crate::output::{Console, Palette, Render, table};
use crate::progress::Progress;

/// Options of every command that writes.
#[derive(Debug, Clone, Args)]
#[group(skip)]
#[command(next_help_heading = "Writing")]
pub(crate) struct Options {
    /// Check everything on the server, write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Why: kept with the revision
    #[arg(
        short = 'm',
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub message: String,
    /// Refuse (exit code 4) when a named resource was changed after this revision
    #[arg(
        long,
        value_name = "REVISION",
        default_value_t = 0,
        hide_default_value = true
    )]
    pub if_revision: u64,
}

/// A put of a document.
pub(crate) fn put(document: &Document) -> Change {
    Change {
        key: Some((&document.key).into()),
        precondition: None,
        ttl_seconds: 0,
        force: false,
        // A JSON value always serialises.
        operation: Some(WireOperation::Put(
            serde_json::to_vec(&document.spec).unwrap_or_default(),
        )),
    }
}

/// A delete.
pub(crate) fn delete(key: &Key, force: bool) -> Change {
    Change {
        key: Some(key.into()),
        precondition: None,
        ttl_seconds: 0,
        force,
        operation: Some(WireOperation::Delete(true)),
    }
}

/// Sends changes as one request and says what became of them. Problems are told with the place in
/// `documents` that they are about.
pub(crate) async fn submit(
    connection: &Connection,
    console: &Console,
    changes: Vec<Change>,
    documents: &[Document],
    options: &Options,
    allow_unknown: bool,
) -> Result<Report, Failure> {
    let request = ApplyRequest {
        changes,
        dry_run: options.dry_run,
        allow_unknown,
        message: options.message.clone(),
        author: author(),
        unchanged_since: options.if_revision,
    };
    let progress = Progress::start(console, "applying");
    let sent = connection.control(Retry::Unsent, |mut client| {
        let request = connection.large_request(request.clone(), request.changes.len());
        async move { client.apply(request).await }
    });
    let answer = progress.during(sent).await;
    drop(progress);
    let answer = answer.map_err(|failure| located(failure, documents))?;
    let report = Report::new(answer.into_inner(), options.dry_run)?;
    for warning in &report.warnings {
        console.warning(&table::clean(warning));
    }
    Ok(report)
}

/// Who is writing, as far as the environment says.
fn author() -> String {
    ["USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()))
        .unwrap_or_else(|| "cli".to_owned())
}

/// Adds to each problem of an answer the place in the input that it is about.
pub(crate) fn located(failure: Failure, documents: &[Document]) -> Failure {
    let Failure::Answer(status) = &failure else {
        return failure;
    };
    let refusal = convert::control::refusal(status).filter(|refusal| !refusal.problems.is_empty());
    let Some(refusal) = refusal else {
        return failure;
    };
    let by_key: BTreeMap<_, _> = documents
        .iter()
        .map(|document| (&document.key, document))
        .collect();
    let faults = refusal
        .problems
        .into_iter()
        .map(|problem| {
            let key = problem.key.and_then(|key| Key::try_from(key).ok());
            match key.as_ref().and_then(|key| by_key.get(key)) {
                Some(document) => document.fault(&problem.path, problem.message),
                None => Fault {
                    source: None,
                    key,
                    path: problem.path,
                    message: problem.message,
                },
            }
        })
        .collect();
    Failure::Refused {
        code: failure.code(),
        faults,
    }
}

/// What a write did.
pub(crate) struct Report {
    pub revision: u64,
    pub applied: Vec<(Key, Effect)>,
    pub warnings: Vec<String>,
    dry_run: bool,
}

impl Report {
    fn new(answer: ApplyResponse, dry_run: bool) -> Result<Self, Failure> {
        let applied = answer
            .applied
            .into_iter()
            .map(|applied| {
                let effect = applied.effect();
                let key = applied.key.ok_or(convert::Error::Missing("applied.key"))?;
                Ok((Key::try_from(key)?, effect))
            })
            .collect::<Result<_, convert::Error>>()?;
        Ok(Self {
            revision: answer.revision,
            applied,
            warnings: answer.warnings.iter().map(problem).collect(),
            dry_run,
        })
    }

    /// One sentence: `revision 12: 1 created, 2 unchanged`.
    pub(crate) fn sentence(&self) -> String {
        let counts: Vec<_> = [
            Effect::Created,
            Effect::Changed,
            Effect::Unchanged,
            Effect::Deleted,
        ]
        .into_iter()
        .filter_map(|effect| {
            let count = self
                .applied
                .iter()
                .filter(|(_, other)| *other == effect)
                .count();
            (count > 0).then(|| format!("{count} {}", word(effect)))
        })
        .collect();
        let counts = if counts.is_empty() {
            "nothing to do".to_owned()
        } else {
            counts.join(", ")
        };
        if self.dry_run {
            format!("dry run, nothing was written: {counts}")
        } else {
            format!("revision {}: {counts}", self.revision)
        }
    }
}

fn word(effect: Effect) -> &'static str {
    match effect {
        Effect::Created => "created",
        Effect::Changed => "changed",
        Effect::Unchanged => "unchanged",
        Effect::Deleted => "deleted",
        Effect::Unspecified => "done",
    }
}

impl Render for Report {
    fn table(&self, palette: Palette) -> String {
        let width = self
            .applied
            .iter()
            .map(|(key, _)| table::clean(&key.to_string()).chars().count())
            .max()
            .unwrap_or(0);
        let lines: Vec<_> = self
            .applied
            .iter()
            .map(|(key, effect)| {
                let word = word(*effect);
                let word = match effect {
                    Effect::Created => palette.good(word),
                    Effect::Changed => palette.changed(word),
                    Effect::Deleted => palette.bad(word),
                    _ => word.to_owned(),
                };
                format!("{:width$}  {word}", table::clean(&key.to_string()))
            })
            .collect();
        lines.join("\n")
    }

    fn data(&self) -> Value {
        let applied: Vec<_> = self
            .applied
            .iter()
            .map(|(key, effect)| {
                json!({"kind": key.kind.name(), "id": &*key.id, "effect": word(*effect)})
            })
            .collect();
        json!({
            "revision": self.revision,
            "dry_run": self.dry_run,
            "applied": applied,
            "warnings": self.warnings,
        })
    }

    fn names(&self) -> Vec<String> {
        self.applied
            .iter()
            .map(|(key, _)| key.to_string())
            .collect()
    }
}

#[cfg(test)]
mod tests;
