#![doc = include_str!("README.md")]

mod circuit;
mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, Step};

use crate::break_answer::BreakAnswer;
use crate::table::Table;
use circuit::{Change, Circuit, Outcome, Pass, Rules};

pub use config::{Config, Scope};

/// Status that stands for a try that timed out.
const TIMED_OUT: u16 = 504;

/// Definition of `circuit-breaker`.
pub struct CircuitBreaker;

impl PluginDef for CircuitBreaker {
    const NAME: &'static str = "circuit-breaker";
    const PRIORITY: i32 = 1004;
    const PHASES: Phases = Phases::of(&[
        Phase::Access,
        Phase::BeforeProxy,
        Phase::HeaderFilter,
        Phase::Log,
    ]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        let seconds = |name: &str, value: f64| {
            Duration::try_from_secs_f64(value)
                .map_err(|_| format!("{name} must be so many seconds, got {value:?}"))
        };
        let others = config.consecutive_failures.is_some() || config.slow_rate.is_some();
        Ok(Compiled {
            scope: config.scope,
            rules: Rules {
                window: seconds("window", config.window)?,
                minimum: config.minimum_requests,
                error_rate: config.error_rate.or_else(|| (!others).then_some(50.0)),
                consecutive: config.consecutive_failures,
                slow_rate: config.slow_rate,
                open: seconds("open_duration", config.open_duration)?,
                probes: config.half_open_requests,
            },
            slow: seconds("slow_duration", config.slow_duration)?,
            failures: config.failure_statuses.into(),
            answer: BreakAnswer::compile(
                config.break_response_code,
                config.break_response_body,
                config.break_response_headers.as_deref(),
            )?,
            circuits: Table::shared(&context.living, &context.state_key(Self::NAME)),
        })
    }
}

/// `circuit-breaker`, ready to run.
pub struct Compiled {
    scope: Scope,
    rules: Rules,
    slow: Duration,
    failures: Box<[u16]>,
    answer: BreakAnswer,
    circuits: Arc<Table<Circuit>>,
}

/// Circuits that let this request through, in order of its tries, and that wait to be told.
#[derive(Default)]
struct Passed(Vec<(String, Pass)>);

impl Compiled {
    fn admit(&self, key: String, context: &mut Context) -> bool {
        let now = context.host.monotonic();
        let pass = self
            .circuits
            .update(&key, now, |circuit| circuit.admit(now, &self.rules));
        let passed = pass.map(|pass| context.local_mut::<Passed>().0.push((key, pass)));
        passed.is_some()
    }

    fn outcome(&self, status: u16, took: Duration) -> Outcome {
        Outcome {
            failed: self.failures.contains(&status),
            slow: status == TIMED_OUT || took >= self.slow,
        }
    }

    /// What became of each try: as many as there were, when it is known of each.
    fn outcomes(&self, tries: usize, context: &Context) -> Vec<Outcome> {
        let record = &context.record;
        let statuses = &record.upstream_statuses;
        let Some((last, before)) = statuses.split_last() else {
            return Vec::new();
        };
        // The last try goes on as long as its body does: until its head is what counts.
        let took = record.connect.saturating_add(record.first_byte);
        if self.scope == Scope::Route {
            return vec![self.outcome(*last, took.max(record.upstream))];
        }
        // Tries beside a slow one are not announced: whose status is whose is not known then.
        if statuses.len() != tries {
            return Vec::new();
        }
        // Only of the last try is it known what it took.
        let before = before
            .iter()
            .map(|status| self.outcome(*status, Duration::ZERO));
        before.chain([self.outcome(*last, took)]).collect()
    }
}

impl Plugin for Compiled {
    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        if self.scope == Scope::Node {
            return Step::Continue;
        }
        let route = context.route.as_ref().map(|route| route.id.to_string());
        if self.admit(route.unwrap_or_default(), context) {
            Step::Continue
        } else {
            Step::respond(self.answer.render(context))
        }
    }

    fn before_proxy<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        if self.scope == Scope::Route {
            return Step::Continue;
        }
        let node = context.record.node_authority.to_string();
        if self.admit(node, context) {
            return Step::Continue;
        }
        // Another node may do.
        context.pass_over_node = true;
        Step::respond(self.answer.render(context))
    }

    fn header_filter(&self, context: &mut Context) {
        let passed = std::mem::take(&mut context.local_mut::<Passed>().0);
        let outcomes = self.outcomes(passed.len(), context);
        let now = context.host.monotonic();
        let mut outcomes = outcomes.into_iter();
        for (key, pass) in passed {
            let Some(outcome) = outcomes.next() else {
                context.local_mut::<Passed>().0.push((key, pass));
                continue;
            };
            let change = self.circuits.update(&key, now, |circuit| {
                circuit.told(pass, outcome, now, &self.rules)
            });
            match change {
                Some(Change::Opened) => tracing::warn!(circuit = %key, "circuit opens"),
                Some(Change::Closed) => tracing::info!(circuit = %key, "circuit closes"),
                None => {}
            }
        }
    }

    fn log(&self, context: &mut Context) {
        for (key, pass) in std::mem::take(&mut context.local_mut::<Passed>().0) {
            self.circuits.change_known(&key, |circuit| {
                circuit.abandoned(pass);
                false
            });
        }
    }
}
