//! One rule: which requests, and where to.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use serde_json::Value;
use weir_model::field::expr::Expr;
use weir_model::field::id;
use weir_model::field::variable::Variables;
use weir_plugin_api::{CompileContext, Host, UpstreamChoice};

use super::config::{Config, Rule, WeightedUpstream};
use crate::conditions;
use crate::turns::Turns;

/// A rule, ready to be tried.
#[derive(Debug)]
pub(super) struct CompiledRule {
    /// One is enough; none at all is always enough.
    conditions: Box<[Expr]>,
    /// `None` is the route's own upstream.
    choices: Box<[Option<UpstreamChoice>]>,
    turns: Turns,
}

impl CompiledRule {
    /// Compiles the rules of a configuration; their turns live under `state`.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub(super) fn all(
        config: &Config,
        state: &str,
        context: &CompileContext<'_>,
    ) -> Result<Box<[Self]>, String> {
        let rules = config.rules.iter().enumerate();
        let rules = rules.map(|(position, rule)| {
            let turns = format!("{state}\u{0}{position}");
            let turns = context.living.get_or_init(&turns, Default::default);
            Self::compile(rule, turns, context)
                .map_err(|problem| format!("{problem} (rules[{position}])"))
        });
        rules.collect()
    }

    fn compile(
        rule: &Rule,
        taken: Arc<AtomicU64>,
        context: &CompileContext<'_>,
    ) -> Result<Self, String> {
        let conditions = rule.matches.iter().map(|part| match &part.vars {
            Some(vars) => conditions::expression("vars", vars),
            None => {
                Err("failed to validate the 'vars' expression: missing argument rule".to_owned())
            }
        });
        let weights = rule.weighted_upstreams.iter().map(|entry| entry.weight);
        let choices = rule.weighted_upstreams.iter().enumerate();
        let choices = choices.map(|(position, entry)| {
            choice(entry, context)
                .map_err(|problem| format!("weighted_upstreams[{position}]: {problem}"))
        });
        Ok(Self {
            conditions: conditions.collect::<Result<_, _>>()?,
            choices: choices.collect::<Result<_, _>>()?,
            turns: Turns::new(weights, taken)?,
        })
    }

    /// Whether it decides about this request, or this stream.
    pub(super) fn matches(&self, context: &impl Variables) -> bool {
        let mut conditions = self.conditions.iter();
        self.conditions.is_empty() || conditions.any(|condition| condition.eval(context))
    }

    /// The first upstream object that it names and that does not exist.
    pub(super) fn missing(&self, host: &dyn Host) -> Option<&Arc<str>> {
        let ids = self.choices.iter().filter_map(|choice| match choice {
            Some(UpstreamChoice::Id(id)) => Some(id),
            Some(UpstreamChoice::Inline(_)) | None => None,
        });
        ids.into_iter().find(|id| !host.has_upstream(id))
    }

    /// Whose turn it is; `None` is the route's own upstream.
    pub(super) fn choose(&self) -> Option<UpstreamChoice> {
        self.choices.get(self.turns.next()?)?.clone()
    }
}

fn choice(
    entry: &WeightedUpstream,
    context: &CompileContext<'_>,
) -> Result<Option<UpstreamChoice>, String> {
    match (&entry.upstream_id, &entry.upstream) {
        (Some(given), _) => match id::text(given) {
            Some(id) => Ok(Some(UpstreamChoice::Id(Arc::from(&*id)))),
            None => Err(format!("upstream_id must be an id, got {given}")),
        },
        (None, Some(upstream)) => {
            let upstream = context.upstreams.inline(&served(upstream))?;
            Ok(Some(UpstreamChoice::Inline(upstream)))
        }
        (None, None) => Ok(None),
    }
}

/// An upstream in place is not probed, as in APISIX: who wants that makes an object of it.
fn served(upstream: &Value) -> Value {
    let mut upstream = upstream.clone();
    if let Some(fields) = upstream.as_object_mut() {
        fields.shift_remove("checks");
    }
    upstream
}
