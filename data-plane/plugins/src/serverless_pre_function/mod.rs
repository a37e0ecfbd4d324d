#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, Response, Step};

use crate::lua::{Functions, Verdict};

pub use config::{Config, When};

/// Definition of `serverless-pre-function`.
pub struct ServerlessPreFunction;

/// All phases: which one it is stands in the configuration.
pub(crate) const PHASES: Phases = Phases::of(&[
    Phase::Rewrite,
    Phase::Access,
    Phase::BeforeProxy,
    Phase::HeaderFilter,
    Phase::BodyFilter,
    Phase::Log,
]);

impl PluginDef for ServerlessPreFunction {
    const NAME: &'static str = "serverless-pre-function";
    const PRIORITY: i32 = 10000;
    const PHASES: Phases = PHASES;
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        Compiled::new(Self::NAME, config)
    }
}

/// Functions of one phase, ready to run.
pub struct Compiled {
    phase: Phase,
    functions: Functions,
}

/// The head of the answer could not be filtered: its body does not go out either.
#[derive(Default)]
struct Broken(bool);

impl Compiled {
    /// Compiles the functions for the plugin `name`.
    ///
    /// # Errors
    /// What is wrong with one, and in which line.
    pub(crate) fn new(name: &'static str, config: Config) -> Result<Self, String> {
        let conf = serde_json::to_value(&config).map_err(|error| error.to_string())?;
        Ok(Self {
            phase: config.phase.into(),
            functions: Functions::new(name, config.functions, conf, true)?,
        })
    }

    fn early(&self, phase: Phase, context: &mut Context) -> Step<'static> {
        // Later the body is on its way.
        let last_chance = phase == Phase::Access && self.phase > Phase::Access;
        let reads = last_chance || (self.phase == phase && phase <= Phase::Access);
        if reads && self.functions.wants_body(context) {
            return Step::ReadBody;
        }
        if self.phase != phase {
            return Step::Continue;
        }
        match self.functions.run(phase, context, None) {
            Verdict::Continue => Step::Continue,
            Verdict::Answer(response) => Step::respond(response),
            Verdict::Failed => Step::respond(Response::page(StatusCode::INTERNAL_SERVER_ERROR)),
        }
    }
}

impl Plugin for Compiled {
    fn rewrite<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        self.early(Phase::Rewrite, context)
    }

    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        self.early(Phase::Access, context)
    }

    fn before_proxy<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        self.early(Phase::BeforeProxy, context)
    }

    fn header_filter(&self, context: &mut Context) {
        match self.phase {
            Phase::Rewrite | Phase::Access | Phase::BeforeProxy => {
                Functions::apply_pending(context);
            }
            // The length is not known before the functions have seen the body.
            Phase::BodyFilter => {
                if let Some(head) = &mut context.response {
                    head.body_changes = true;
                }
            }
            Phase::HeaderFilter => {
                let verdict = self.functions.run(Phase::HeaderFilter, context, None);
                if let (Verdict::Failed, Some(head)) = (verdict, &mut context.response) {
                    // What they were to take out must not go out.
                    head.status = StatusCode::INTERNAL_SERVER_ERROR;
                    head.headers = HeaderMap::new();
                    head.body_changes = true;
                    context.local_mut::<Broken>().0 = true;
                }
            }
            Phase::Log => {}
        }
    }

    fn body_filter(&self, context: &mut Context, chunk: &mut Bytes, end: bool) {
        match self.phase {
            Phase::BodyFilter => {
                let verdict = self
                    .functions
                    .run(Phase::BodyFilter, context, Some((chunk, end)));
                if matches!(verdict, Verdict::Failed) {
                    chunk.clear();
                    context.abort_response = true;
                }
            }
            Phase::HeaderFilter if context.local_mut::<Broken>().0 => chunk.clear(),
            _ => {}
        }
    }

    fn log(&self, context: &mut Context) {
        if self.phase == Phase::Log {
            self.functions.run(Phase::Log, context, None);
        }
    }
}
