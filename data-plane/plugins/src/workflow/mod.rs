#![doc = include_str!("README.md")]

mod action;
mod config;
#[cfg(test)]
mod tests;

use weir_model::field::expr::Expr;
use weir_plugin_api::{
    CompileContext, CompiledPlugin, Context, Phase, Phases, Plugin, PluginDef, Step,
};

use crate::conditions;
use crate::limit_count::LimitCount;
use action::Action;

pub use config::{Config, Rule};

/// Definition of `workflow`.
pub struct Workflow;

impl PluginDef for Workflow {
    const NAME: &'static str = "workflow";
    const PRIORITY: i32 = 1006;
    const PHASES: Phases = Phases::of(&[Phase::Access, Phase::HeaderFilter, Phase::Log]);
    const SCHEMA: &'static str = include_str!("schema.json");
    const METADATA_OF: &'static str = LimitCount::NAME;

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        let compile = |(position, rule): (usize, &Rule)| {
            compile_rule(rule, position, context)
                .map_err(|problem| format!("{problem} (rules[{position}])"))
        };
        let rules = config.rules.iter().enumerate().map(compile);
        Ok(Compiled {
            rules: rules.collect::<Result<_, _>>()?,
        })
    }
}

/// All actions are checked, the first is kept.
fn compile_rule(
    rule: &Rule,
    position: usize,
    context: &CompileContext<'_>,
) -> Result<(Expr, Action), String> {
    let case = match &rule.case {
        None => Expr::default(),
        Some(case) => conditions::expression("case", case)?,
    };
    let actions = rule.actions.iter();
    let actions = actions.map(|action| Action::compile(action, position, context));
    let actions: Vec<_> = actions.collect::<Result<_, String>>()?;
    match actions.into_iter().next() {
        Some(first) => Ok((case, first)),
        None => Err("actions must hold at least one action".into()),
    }
}

/// `workflow`, ready to run.
pub struct Compiled {
    rules: Box<[(Expr, Action)]>,
}

/// Position of the rule whose plugin runs for this request.
#[derive(Default)]
struct Ran(Option<usize>);

impl Compiled {
    /// The plugin that runs for this request.
    fn running(&self, context: &mut Context) -> Option<&CompiledPlugin> {
        let position = context.local_mut::<Ran>().0?;
        match self.rules.get(position) {
            Some((_, Action::Run(_, plugin))) => Some(plugin),
            _ => None,
        }
    }
}

impl Plugin for Compiled {
    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let mut rules = self.rules.iter().enumerate();
        let Some((position, (_, action))) = rules.find(|(_, (case, _))| case.eval(context)) else {
            return Step::Continue;
        };
        match action {
            Action::Return(answer) => Step::respond(answer.clone()),
            Action::Run(name, plugin) => {
                context.skip(name);
                context.local_mut::<Ran>().0 = Some(position);
                plugin.access(context)
            }
        }
    }

    fn header_filter(&self, context: &mut Context) {
        if let Some(plugin) = self.running(context) {
            plugin.header_filter(context);
        }
    }

    fn log(&self, context: &mut Context) {
        if let Some(plugin) = self.running(context) {
            plugin.log(context);
        }
    }
}
