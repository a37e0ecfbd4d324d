//! One row of the table.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use weir_model::ResourceSet;
use weir_model::endpoint::Endpoints;
use weir_plugin_api::outside::Unreachable;
use weir_plugin_api::{Living, RequestHead};
use weir_plugins::BUILTIN;
use weir_proxy::router::RouterSettings;
use weir_proxy::runtime::{CompileEnv, Report, Runtime, SystemEnvironment, compile};

use crate::{memory, requests, routes};

/// Times that all requests are looked up.
const PASSES: usize = 300;
/// Changes of each kind.
const CHANGES: usize = 15;

/// Names of the columns of [`row`].
pub(crate) const HEADER: &str =
    "  routes  ns/lookup  compile ms  route ms  service ms  rule ms  bytes/route  with documents";

/// Measures at `size` routes.
pub(crate) fn row(size: usize) -> String {
    let env = env();
    let empty = memory::resident();
    let set = routes::set(size);
    let documents = memory::resident();
    let started = Instant::now();
    let (runtime, report) = compile(&set, None, &env);
    let compiled = started.elapsed();
    let full = memory::resident();
    assert!(
        report.refused.is_empty(),
        "the generated routes are valid: {:?}",
        report.refused
    );

    let heads = requests::heads(size);
    let pass = fastest(PASSES, |_| lookups(&runtime, &heads));
    let mut state = State { set, runtime, env };
    let route = fastest(CHANGES, |round| {
        state.change(
            |set| routes::change_route(set, size / 2 + round % 2),
            |report| {
                assert_eq!((report.rebuilt, report.reused), (1, size - 1));
            },
        )
    });
    let service = fastest(CHANGES, |round| {
        state.change(
            |set| routes::change_service(set, round),
            |report| {
                assert_eq!(report.rebuilt, routes::of_service(size));
            },
        )
    });
    let rule = fastest(CHANGES, |round| {
        state.change(
            |set| routes::change_rule(set, round),
            |report| {
                assert_eq!(report.rebuilt, 0);
            },
        )
    });
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    format!(
        "{size:>8} {:>10.0} {:>11.1} {:>9.2} {:>11.2} {:>8.2} {:>12} {:>15}",
        pass.as_nanos() as f64 / heads.len() as f64,
        milliseconds(compiled),
        milliseconds(route),
        milliseconds(service),
        milliseconds(rule),
        full.saturating_sub(documents) / size,
        full.saturating_sub(empty) / size,
    )
}

fn env() -> CompileEnv {
    CompileEnv {
        plugins: BUILTIN,
        stream_plugins: &[],
        endpoints: Endpoints::default(),
        living: Living::default(),
        settings: RouterSettings::default(),
        environment: Arc::new(SystemEnvironment::new("bench")),
        attributes: weir_plugin_api::Attributes::default(),
        outside: Arc::new(Unreachable),
        tls: weir_proxy::tls::Terms::default(),
    }
}

/// The shortest of some measurements: what others take on a shared machine is not our time.
fn fastest(rounds: usize, measure: impl FnMut(usize) -> Duration) -> Duration {
    (0..rounds).map(measure).min().unwrap_or_default()
}

fn lookups(runtime: &Runtime, heads: &[RequestHead]) -> Duration {
    let mut found = 0;
    let started = Instant::now();
    for head in heads {
        // Whoever finds a route reads it.
        let taken = black_box(runtime.route(black_box(head)));
        found += usize::from(taken.is_some_and(|taken| taken.route.enabled));
    }
    let elapsed = started.elapsed();
    assert_eq!(found, heads.len(), "every request has its route");
    elapsed
}

/// What an agent has.
struct State {
    set: ResourceSet,
    runtime: Runtime,
    env: CompileEnv,
}

impl State {
    /// Compiles a change; the time to forget the runtime before it is part of what it takes.
    fn change(
        &mut self,
        edit: impl FnOnce(&mut ResourceSet),
        check: impl FnOnce(&Report),
    ) -> Duration {
        edit(&mut self.set);
        let started = Instant::now();
        let (next, report) = compile(&self.set, Some(&self.runtime), &self.env);
        self.runtime = next;
        let elapsed = started.elapsed();
        assert!(report.refused.is_empty(), "{:?}", report.refused);
        check(&report);
        elapsed
    }
}
