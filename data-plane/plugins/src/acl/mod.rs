#![doc = include_str!("README.md")]

mod config;
mod labels;
mod path;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use http::StatusCode;
use serde_json::Value;
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, Response, Step};

use crate::refusal::status;
use labels::{Form, seen};
use path::Path;

pub use config::{Config, Labels, Parser};

/// Definition of `acl`.
pub struct Acl;

impl PluginDef for Acl {
    const NAME: &'static str = "acl";
    const PRIORITY: i32 = 2410;
    const PHASES: Phases = Phases::of(&[Phase::Access]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        let field = config.external_user_label_field;
        let path = Path::parse(&field)
            .map_err(|error| format!("invalid external_user_label_field: {error}"))?;
        let form = match config.external_user_label_field_parser {
            None => Form::Seen,
            Some(Parser::Json) => Form::Json,
            Some(Parser::Table) => Form::Table,
            Some(Parser::SegmentedText) => {
                let separator = config.external_user_label_field_separator;
                let separator = separator.as_deref();
                Form::segments(separator.ok_or("external_user_label_field_separator is required")?)?
            }
        };
        let message = config.rejected_msg;
        let message = message.as_deref().unwrap_or("The consumer is forbidden.");
        let rejected = status("rejected_code", config.rejected_code)?;
        Ok(Compiled {
            allow: config.allow_labels,
            deny: config.deny_labels,
            key: config.external_user_label_field_key.unwrap_or(field),
            path,
            form,
            refusal: Response::message(rejected, message),
            nobody: Response::message(StatusCode::UNAUTHORIZED, "Missing authentication."),
        })
    }
}

/// `acl`, ready to run.
pub struct Compiled {
    allow: Option<Labels>,
    deny: Option<Labels>,
    /// The label that an external user has.
    key: String,
    path: Path,
    form: Form,
    refusal: Response,
    nobody: Response,
}

impl Plugin for Compiled {
    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let allowed = if let Some(consumer) = &context.consumer {
            let values = |key: &str| {
                let label = consumer.labels.get(key);
                label.map_or_else(Vec::new, |text| seen(text))
            };
            self.allows(values)
        } else if let Some(user) = &context.external_user {
            let Some(found) = self.values(user) else {
                tracing::warn!("acl: what is known of the user is too large to be looked at");
                return Step::respond(self.refusal.clone());
            };
            self.allows(|key| {
                if key == self.key {
                    found.clone()
                } else {
                    Vec::new()
                }
            })
        } else {
            return Step::respond(self.nobody.clone());
        };
        if allowed {
            Step::Continue
        } else {
            Step::respond(self.refusal.clone())
        }
    }
}

impl Compiled {
    /// The values of an external user's label; `None` when there is too much to look at.
    fn values<'u>(&self, user: &'u Value) -> Option<Vec<Cow<'u, str>>> {
        let found = self.path.find(user)?;
        let form = |value: &Value| match (found.len(), value) {
            // Among several, only texts are written in the way that is told.
            (0 | 1, _) | (_, Value::String(_)) => &self.form,
            _ => &Form::Seen,
        };
        Some(
            found
                .iter()
                .flat_map(|value| form(value).values(value))
                .collect(),
        )
    }

    fn allows<'v>(&self, values: impl Fn(&str) -> Vec<Cow<'v, str>>) -> bool {
        let has_one = |labels: &Labels| {
            labels.iter().any(|(key, wanted)| {
                let values = values(key);
                wanted
                    .iter()
                    .any(|wanted| values.iter().any(|value| value == wanted))
            })
        };
        !self.deny.as_ref().is_some_and(has_one) && self.allow.as_ref().is_none_or(has_one)
    }
}
