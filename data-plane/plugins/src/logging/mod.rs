//! What the logging plugins share: the entry of a request, the format that operators choose, bodies
//! within limits, and the batch processor (objects.md section 15).

mod batch;
mod body;
mod count;
mod entry;
mod format;
mod options;
mod original;
mod post;
#[cfg(test)]
pub(crate) mod tests;
mod time;

pub(crate) use batch::{Batches, Delivery, Rules, Sender, Sizes, Undelivered};
pub(crate) use count::{Known, Labels};
pub(crate) use entry::{Entries, Entry};
pub(crate) use format::Format;
pub use options::{BatchOptions, EntryOptions, Metadata};
pub(crate) use post::{Posts, calls, headers};
pub(crate) use time::rfc3339;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use weir_plugin_api::outside::{Outside, SocketKind, SocketTarget};
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Step};

/// Phases of a plugin that logs.
pub(crate) const PHASES: Phases = Phases::of(&[Phase::Access, Phase::BodyFilter, Phase::Log]);

/// A logging plugin, ready to run: makes entries and hands them to a batch processor.
pub struct Logger {
    entries: Entries,
    batches: Arc<Batches>,
}

impl Logger {
    /// Compiles what all logging plugins have. `name` is that of the batch processor.
    ///
    /// # Errors
    /// What is wrong with the format or an expression.
    pub(crate) fn new(
        plugin: &'static str,
        name: &str,
        options: &EntryOptions,
        batch: &BatchOptions,
        context: &CompileContext<'_>,
        sender: impl Sender,
    ) -> Result<Self, String> {
        let metadata = Metadata::of(context)?;
        let rules = Rules::new(batch, metadata.max_pending_entries);
        Ok(Self {
            entries: Entries::compile(options, &metadata)?,
            batches: Batches::shared(plugin, name, rules, context, sender),
        })
    }

    /// The same with a tag on each entry, which only the sender sees.
    #[must_use]
    pub(crate) fn tagged(self, tag: Format) -> Self {
        Self {
            entries: self.entries.tagged(tag),
            ..self
        }
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
        self.batches.reached_at(context.request.local.ip());
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
        Box::pin(async move { Ok(sent.await.map_err(|error| error.to_string())?) })
    }
}

/// Entries as one JSON array.
pub(crate) fn list(batch: &[Entry]) -> Value {
    batch.iter().map(|entry| entry.fields.clone()).collect()
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
