#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use weir_model::field::expr::Expr;
use weir_plugin_api::outside::Outside;
use weir_plugin_api::{CompileContext, Context, Phases, Plugin, PluginDef, Step};

use crate::logging::{self, BatchOptions, Delivery, Entry, Logger, Sender};

pub use config::{Config, Metadata};

/// Definition of `file-logger`.
pub struct FileLogger;

impl PluginDef for FileLogger {
    const NAME: &'static str = "file-logger";
    const PRIORITY: i32 = 399;
    const PHASES: Phases = logging::PHASES;
    const SCHEMA: &'static str = include_str!("schema.json");
    const METADATA_SCHEMA: Option<&'static str> = Some(include_str!("metadata.schema.json"));

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        let metadata = match &context.metadata {
            Some(stored) => Metadata::deserialize(&**stored).map_err(|error| error.to_string())?,
            None => Metadata::default(),
        };
        let path = config
            .path
            .or(metadata.path)
            .filter(|path| !path.is_empty());
        let path = match path {
            // The metadata may have it, which a dry check does not know.
            None if context.is_dry() => String::new(),
            path => path.ok_or("property \"path\" is required")?,
        };
        let matches = config.matches.unwrap_or_default();
        let matches = matches.into_iter().map(|vars| {
            Expr::parse(&Value::Array(vars))
                .map_err(|reason| format!("failed to validate the 'match' expression: {reason}"))
        });
        let batch = BatchOptions {
            inactive_timeout: 1,
            buffer_duration: 1,
            ..BatchOptions::default()
        };
        let sender = File(PathBuf::from(path));
        Ok(Compiled {
            matches: matches.collect::<Result<_, String>>()?,
            logger: Logger::new(
                Self::NAME,
                Self::NAME,
                &config.entry,
                &batch,
                context,
                sender,
            )?,
        })
    }
}

/// `file-logger`, ready to run.
pub struct Compiled {
    matches: Vec<Expr>,
    logger: Logger,
}

impl Plugin for Compiled {
    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        self.logger.access(context)
    }

    fn body_filter(&self, context: &mut Context, chunk: &mut Bytes, _end: bool) {
        self.logger.body_filter(context, chunk);
    }

    fn log(&self, context: &mut Context) {
        let is_logged = |expression: &Expr| expression.eval(context);
        if self.matches.is_empty() || self.matches.iter().any(is_logged) {
            self.logger.log(context);
        }
    }
}

/// Appends batches to a file. It is opened each time, so that a file that was moved away is made anew.
struct File(PathBuf);

impl Sender for File {
    fn send(&self, _outside: &Arc<dyn Outside>, batch: &[Entry]) -> Delivery {
        let (path, text) = (self.0.clone(), logging::lines(batch));
        // It runs beside the workers.
        Box::pin(async move { Ok(append(&path, &text)?) })
    }
}

fn append(path: &PathBuf, text: &str) -> Result<(), String> {
    let at = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(at)?;
    file.write_all(text.as_bytes()).map_err(at)
}
