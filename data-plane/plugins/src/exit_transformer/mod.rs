#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use weir_plugin_api::{
    ChangeAnswer, CompileContext, Context, Phase, Phases, Plugin, PluginDef, Response, Step,
};

use crate::lua::Functions;

pub use config::Config;

/// Definition of `exit-transformer`.
pub struct ExitTransformer;

impl PluginDef for ExitTransformer {
    const NAME: &'static str = "exit-transformer";
    const PRIORITY: i32 = 22950;
    const PHASES: Phases = Phases::of(&[Phase::Rewrite]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        let conf = serde_json::Value::Null;
        let functions = Functions::new(Self::NAME, config.functions, conf, false)?;
        Ok(Compiled(Arc::new(Changes(functions))))
    }
}

/// `exit-transformer`, ready to run.
pub struct Compiled(Arc<Changes>);

struct Changes(Functions);

impl ChangeAnswer for Changes {
    fn change(&self, context: &mut Context, response: Response) -> Response {
        self.0.transform(context, response)
    }
}

impl Plugin for Compiled {
    fn rewrite<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let changes = Arc::clone(&self.0) as Arc<dyn ChangeAnswer>;
        context.answer_changes.push(changes);
        Step::Continue
    }
}
