//! Panics: none ends the process, and none goes unseen.
//!
//! A panic hook is the one place that sees all of them with their place in the code; there is one
//! for the process, and so the numbers are the process' as well.

use std::panic::{self, PanicHookInfo};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

static PANICS: AtomicU64 = AtomicU64::new(0);
static RESTARTS: AtomicU64 = AtomicU64::new(0);

/// How the threads of a gateway are called.
const OURS: &str = "weir-";

/// Counts and logs panics of a gateway's threads from now on. Those of other threads stay with
/// whoever handled them before.
pub fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let thread = std::thread::current();
            let name = thread.name().unwrap_or_default();
            if !name.starts_with(OURS) {
                return before(info);
            }
            PANICS.fetch_add(1, Ordering::Relaxed);
            let place = info.location().map(ToString::to_string);
            tracing::error!(
                thread = name,
                place = place.as_deref().unwrap_or("unknown"),
                reason = reason(info),
                "panic: this is a fault in the gateway, please report it"
            );
            if !tracing::dispatcher::has_been_set() {
                before(info);
            }
        }));
    });
}

fn reason<'a>(info: &'a PanicHookInfo<'_>) -> &'a str {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("not a text")
}

/// Notes that a worker is started again.
pub fn count_restart() {
    RESTARTS.fetch_add(1, Ordering::Relaxed);
}

/// Appends the metrics in the Prometheus text format.
pub fn write_text(out: &mut String) {
    for (name, help, count) in [
        ("weir_panics_total", "Panics that were caught.", &PANICS),
        (
            "weir_proxy_worker_restarts_total",
            "Workers that ended untold and were started again.",
            &RESTARTS,
        ),
    ] {
        let count = count.load(Ordering::Relaxed);
        out.push_str(&format!(
            "# HELP {name} {help}\n# TYPE {name} counter\n{name} {count}\n"
        ));
    }
}
