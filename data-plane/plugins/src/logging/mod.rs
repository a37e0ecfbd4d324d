//! What the logging plugins share: the entry of a request, the format that operators choose, bodies
//! within limits, and the batch processor (objects.md section 15).

mod batch;
mod body;
mod entry;
mod format;
mod options;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use batch::{Batches, Delivery, Failed, Known, Sender};
pub(crate) use entry::{Entries, Entry};
pub use options::{BatchOptions, EntryOptions, Metadata};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Uri};
use serde_json::{Map, Value};
use weir_plugin_api::outside::{HttpCall, Outside, SocketKind, SocketTarget};
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Step};

use crate::authentication::header_name;

/// Phases of a plugin that logs.
pub(crate) const PHASES: Phases = Phases::of(&[Phase::Access, Phase::BodyFilter, Phase::Log]);

/// A logging plugin, ready to run: makes entries and hands them to a batch processor.
pub struct Logger {
    entries: Entries,
    batches: Arc<Batches>,
}

impl Logger {
    /// Compiles what all logging plugins have. `name` is the plugin's.
    ///
    /// # Errors
    /// What is wrong with the format or an expression.
    pub(crate) fn new(
        name: &str,
        options: &EntryOptions,
        batch: &BatchOptions,
        context: &CompileContext<'_>,
        sender: impl Sender,
    ) -> Result<Self, String> {
        let metadata = Metadata::of(context)?;
        Ok(Self {
            entries: Entries::compile(options, &metadata)?,
            batches: Batches::shared(name, batch, metadata.max_pending_entries, context, sender),
        })
    }

    /// The same with a tag on each entry, which only the sender sees.
    ///
    /// # Errors
    /// What is wrong with it; `name` is named.
    pub(crate) fn tagged(self, name: &str, tag: &Map<String, Value>) -> Result<Self, String> {
        Ok(Self {
            entries: self.entries.tagged(name, tag)?,
            ..self
        })
    }

    /// Reads the request's body, if it is logged.
    pub(crate) fn access(&self, context: &mut Context) -> Step<'static> {
        self.entries.look_at_request(context)
    }

    /// Keeps the answer's body, if it is logged.
    pub(crate) fn body_filter(&self, context: &mut Context, chunk: &Bytes) {
        self.entries.look_at_answer(context, chunk);
    }

    /// Makes the entry and hands it over.
    pub(crate) fn log(&self, context: &mut Context) {
        let entry = self.entries.make(context);
        self.batches.push(entry);
    }
}

/// The `Plugin` of a type whose field `logger` does everything.
macro_rules! logs {
    ($type:ty) => {
        impl weir_plugin_api::Plugin for $type {
            fn access<'a>(
                &'a self,
                context: &'a mut weir_plugin_api::Context,
            ) -> weir_plugin_api::Step<'a> {
                self.logger.access(context)
            }

            fn body_filter(
                &self,
                context: &mut weir_plugin_api::Context,
                chunk: &mut bytes::Bytes,
                _end: bool,
            ) {
                self.logger.body_filter(context, chunk);
            }

            fn log(&self, context: &mut weir_plugin_api::Context) {
                self.logger.log(context);
            }
        }
    };
}
pub(crate) use logs;

/// Posts a batch; every status below 400 is good.
pub(crate) fn post(outside: &Arc<dyn Outside>, call: HttpCall) -> Delivery {
    let answer = outside.http(call);
    Box::pin(async move {
        let answer = answer.await?;
        if answer.status.as_u16() < 400 {
            return Ok(());
        }
        let said = String::from_utf8_lossy(answer.body.get(..200).unwrap_or(&answer.body));
        Err(Failed::from(format!(
            "answered with {}: {said}",
            answer.status
        )))
    })
}

/// A URL with a path and query behind what an operator wrote as the place of a server.
///
/// # Errors
/// It is none; `field` is named.
pub(crate) fn url(field: &str, place: &str, path: &str) -> Result<Uri, String> {
    let text = format!("{}{path}", place.trim_end_matches('/'));
    text.parse::<Uri>()
        .ok()
        .filter(|uri| uri.scheme().is_some())
        .ok_or_else(|| {
            format!("{field}: expected a URL such as http://127.0.0.1:9200, got {place:?}")
        })
}

/// Several servers, asked in turn.
pub(crate) struct Servers<T> {
    all: Vec<T>,
    next: AtomicUsize,
}

impl<T> Servers<T> {
    pub(crate) fn new(all: Vec<T>) -> Self {
        Self {
            all,
            next: AtomicUsize::new(0),
        }
    }

    /// The next one; `None` when there are none, which schemas exclude.
    pub(crate) fn next(&self) -> Option<&T> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        self.all.get(turn.checked_rem(self.all.len())?)
    }
}

/// A batch that has nowhere to go.
pub(crate) fn nowhere() -> Delivery {
    Box::pin(std::future::ready(Err(Failed::from(
        "no server is configured",
    ))))
}

/// Sends batches to a plain socket: one entry, or a list of them, as JSON and a line feed.
pub(crate) struct Socket(Arc<SocketTarget>);

impl Socket {
    pub(crate) fn new(target: SocketTarget) -> Self {
        Self(Arc::new(target))
    }
}

impl Sender for Socket {
    fn send(&self, outside: &Arc<dyn Outside>, batch: &[Entry]) -> Delivery {
        let text = match batch {
            [entry] => entry.fields.to_string(),
            batch => list(batch).to_string(),
        };
        // A datagram has an end of its own.
        let end = if self.0.kind == SocketKind::Udp {
            ""
        } else {
            "\n"
        };
        let sent = outside.send(&self.0, Bytes::from(text + end));
        Box::pin(async move { Ok(sent.await?) })
    }
}

/// Entries as one JSON array.
pub(crate) fn list(batch: &[Entry]) -> Value {
    batch.iter().map(|entry| entry.fields.clone()).collect()
}

/// Header fields from a configuration.
///
/// # Errors
/// A name or value cannot stand in a header; `field` is named.
pub(crate) fn headers(field: &str, fields: &BTreeMap<String, String>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name = header_name(field, name)?;
        let value = HeaderValue::from_str(value)
            .map_err(|_| format!("{field}.{name} must be able to stand in a header"))?;
        headers.insert(name, value);
    }
    Ok(headers)
}

/// Entries one to a line.
pub(crate) fn lines(batch: &[Entry]) -> String {
    let mut text = String::new();
    for entry in batch {
        text.push_str(&entry.fields.to_string());
        text.push('\n');
    }
    text
}
