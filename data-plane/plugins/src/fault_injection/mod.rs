#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;
use weir_model::field::expr::Expr;
use weir_model::field::template::Template;
use weir_plugin_api::{
    Body, CompileContext, Context, Phase, Phases, Plugin, PluginDef, Response, Step,
};

use crate::conditions;
use crate::header_edit::{self, HeaderEdit};

pub use config::{Abort, Config, Delay};

/// Definition of `fault-injection`.
pub struct FaultInjection;

impl PluginDef for FaultInjection {
    const NAME: &'static str = "fault-injection";
    const PRIORITY: i32 = 11000;
    const PHASES: Phases = Phases::of(&[Phase::Rewrite]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        Ok(Compiled {
            abort: config.abort.map(CompiledAbort::compile).transpose()?,
            delay: match config.delay {
                None => None,
                Some(delay) => {
                    let time = Duration::try_from_secs_f64(delay.duration).map_err(|_| {
                        format!("delay.duration is too long, got {:?}", delay.duration)
                    })?;
                    let hit = Hit::compile("delay", delay.percentage, delay.vars)?;
                    Some((hit, time))
                }
            },
        })
    }
}

/// `fault-injection`, ready to run.
pub struct Compiled {
    abort: Option<CompiledAbort>,
    delay: Option<(Hit, Duration)>,
}

/// Which requests are hit.
struct Hit {
    percentage: Option<u64>,
    conditions: Option<Box<[Expr]>>,
}

impl Hit {
    fn compile(
        place: &str,
        percentage: Option<u64>,
        vars: Option<Vec<Value>>,
    ) -> Result<Self, String> {
        let compile = |(position, vars): (usize, &Value)| {
            conditions::expression("vars", vars)
                .map_err(|problem| format!("{problem} ({place}.vars[{position}])"))
        };
        let conditions = vars.map(|vars| vars.iter().enumerate().map(compile).collect());
        Ok(Self {
            percentage,
            conditions: conditions.transpose()?,
        })
    }

    fn takes(&self, context: &Context) -> bool {
        let drawn = self
            .percentage
            .is_none_or(|percentage| context.host.random() % 100 < percentage);
        let mut conditions = self.conditions.iter();
        drawn && conditions.all(|any| any.iter().any(|condition| condition.eval(context)))
    }
}

struct CompiledAbort {
    hit: Hit,
    status: StatusCode,
    body: Option<Template>,
    headers: Vec<HeaderEdit>,
}

impl CompiledAbort {
    fn compile(abort: Abort) -> Result<Self, String> {
        let status = u16::try_from(abort.http_status).ok();
        let status = status.and_then(|status| StatusCode::from_u16(status).ok());
        let headers = abort.headers.unwrap_or_default();
        Ok(Self {
            hit: Hit::compile("abort", abort.percentage, abort.vars)?,
            status: status.ok_or_else(|| {
                let got = abort.http_status;
                format!("abort.http_status must be a status of 200 to 999, got {got}")
            })?,
            body: abort.body.as_deref().map(Template::parse),
            headers: header_edit::parse_set("abort.headers", &headers)?,
        })
    }

    fn answer(&self, context: &Context) -> Response {
        let headers = self.headers.iter().flat_map(|edit| {
            let values = edit.render(context).into_iter();
            values.map(|value| (edit.name.clone(), value))
        });
        Response {
            status: self.status,
            headers: headers.collect(),
            body: match &self.body {
                None => Body::Page,
                Some(body) => Body::Text(Bytes::from(body.render(context).text)),
            },
        }
    }
}

impl Plugin for Compiled {
    fn rewrite<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let delay = self.delay.as_ref().filter(|(hit, _)| hit.takes(context));
        let abort = self.abort.as_ref().filter(|abort| abort.hit.takes(context));
        let answer = abort.map(|abort| Box::new(abort.answer(context)));
        match (delay, answer) {
            (None, None) => Step::Continue,
            (None, Some(answer)) => Step::Respond(answer),
            (Some((_, time)), None) => Step::Delay(*time),
            (Some((_, time)), Some(answer)) => Step::RespondAfter(*time, answer),
        }
    }
}
