#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use weir_model::field::expr::Expr;
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, Step};

use crate::header_edit::{self, HeaderEdit};
use crate::turns::Turns;

pub use config::{Action, Config, Rule};

/// Definition of `traffic-label`.
pub struct TrafficLabel;

impl PluginDef for TrafficLabel {
    const NAME: &'static str = "traffic-label";
    const PRIORITY: i32 = 967;
    const PHASES: Phases = Phases::of(&[Phase::Access]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        let state = context.state_key(Self::NAME);
        let rules = config.rules.iter().enumerate();
        let rules = rules.map(|(position, rule)| {
            let turns = format!("{state}\u{0}{position}");
            let turns = context.living.get_or_init(&turns, Default::default);
            let weights = rule.actions.iter().map(|action| action.weight);
            let compile = || {
                Ok(CompiledRule {
                    condition: match &rule.condition {
                        None => Expr::default(),
                        Some(condition) => Expr::parse(condition).map_err(|reason| {
                            format!(
                                "failed to validate the 'match' expression: {condition} err: {reason}"
                            )
                        })?,
                    },
                    actions: rule.actions.iter().map(edits).collect::<Result<_, _>>()?,
                    turns: Turns::new(weights, turns)?,
                })
            };
            compile().map_err(|problem: String| format!("{problem} (rules[{position}])"))
        });
        Ok(Compiled {
            rules: rules.collect::<Result<_, _>>()?,
        })
    }
}

fn edits(action: &Action) -> Result<Box<[HeaderEdit]>, String> {
    if let Some(other) = action.others.keys().next() {
        return Err(format!("not supported action: {other}"));
    }
    let headers = action.set_headers.as_ref();
    let edits = headers
        .map(|headers| header_edit::parse_set("set_headers", headers))
        .transpose()
        .map_err(|problem| format!("failed to validate the 'set_headers' action: {problem}"))?;
    Ok(edits.unwrap_or_default().into_boxed_slice())
}

/// `traffic-label`, ready to run.
pub struct Compiled {
    rules: Box<[CompiledRule]>,
}

struct CompiledRule {
    condition: Expr,
    actions: Box<[Box<[HeaderEdit]>]>,
    turns: Turns,
}

impl Plugin for Compiled {
    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let rule = self.rules.iter().find(|rule| rule.condition.eval(context));
        let action = rule.and_then(|rule| rule.actions.get(rule.turns.next()?));
        for edit in action.into_iter().flatten() {
            let values = edit.render(context);
            edit.apply(&mut context.request.headers, values);
        }
        Step::Continue
    }
}
