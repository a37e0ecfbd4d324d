//! Measures matching and compilation at growing numbers of routes. Bounded in count; prints one
//! table. What a whole request costs is not measured here yet.

#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

mod memory;
mod routes;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mimalloc::MiMalloc;
use weir_model::endpoint::Endpoints;
use weir_plugin_api::Living;
use weir_plugin_api::outside::Unreachable;
use weir_plugins::BUILTIN;
use weir_proxy::router::RouterSettings;
use weir_proxy::runtime::{CompileEnv, Runtime, SystemEnvironment, compile};

// As in the binary: where memory lies decides what a lookup costs.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Numbers of routes.
const SIZES: [usize; 4] = [10, 1_000, 10_000, 100_000];
/// Lookups per size.
const LOOKUPS: usize = 400_000;

fn main() {
    let env = CompileEnv {
        plugins: BUILTIN,
        endpoints: Endpoints::default(),
        living: Living::default(),
        settings: RouterSettings::default(),
        environment: Arc::new(SystemEnvironment::new("bench")),
        outside: Arc::new(Unreachable),
    };
    println!(
        "{:>8} {:>10} {:>12} {:>14} {:>16}",
        "routes", "ns/lookup", "compile ms", "one change ms", "bytes per route"
    );
    for size in SIZES {
        measure(size, &env);
    }
}

fn measure(size: usize, env: &CompileEnv) {
    let set = routes::set(size, 1);
    let before = memory::resident();
    let started = Instant::now();
    let (runtime, report) = compile(&set, None, env);
    let compiled = started.elapsed();
    let bytes = memory::resident().saturating_sub(before) / size;
    assert!(
        report.refused.is_empty(),
        "the generated routes are valid: {:?}",
        report.refused
    );

    let changed = routes::with_one_change(&set);
    let started = Instant::now();
    let (next, report) = compile(&changed, Some(&runtime), env);
    let one_change = started.elapsed();
    assert_eq!((report.rebuilt, report.reused), (1, size - 1));

    let lookup = lookups(&next, size);
    println!(
        "{size:>8} {:>10.0} {:>12.1} {:>14.1} {bytes:>16}",
        lookup.as_nanos() as f64 / LOOKUPS as f64,
        compiled.as_secs_f64() * 1000.0,
        one_change.as_secs_f64() * 1000.0,
    );
}

fn lookups(runtime: &Runtime, size: usize) -> Duration {
    let heads = routes::heads(size);
    let mut found = 0;
    let started = Instant::now();
    for head in heads.iter().cycle().take(LOOKUPS) {
        found += usize::from(black_box(runtime.route(black_box(head))).is_some());
    }
    let elapsed = started.elapsed();
    assert_eq!(found, LOOKUPS, "every request has its route");
    elapsed
}
