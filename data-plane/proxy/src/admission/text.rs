//! The metrics of admission.

use super::Admission;
use super::connections::Full;
use crate::telemetry::metrics::text::{Kind, header, sample};

/// Appends them in the Prometheus text format.
pub(super) fn write(admission: &Admission, out: &mut String) {
    let connections = &admission.connections;
    header(
        out,
        "connections_refused_total",
        Kind::Counter,
        "Client connections that were not served, by the limit that was reached.",
    );
    for full in Full::ALL {
        let labels = format!("{{limit=\"{}\"}}", full.as_str());
        let count = connections.refused(full);
        sample(out, "connections_refused_total", &labels, count);
    }
    let (requests, memory) = (&admission.requests, &admission.memory);
    let counters = [
        (
            "accept_failures_total",
            "Connections that the system did not give, such as for want of file descriptors.",
            connections.failed(),
        ),
        (
            "requests_refused_total",
            "Requests refused because as many were in flight as may be.",
            requests.refused(),
        ),
        (
            "memory_requests_refused_total",
            "Requests refused because memory was short.",
            memory.refused(),
        ),
        (
            "memory_idle_closed_total",
            "Idle client connections closed because memory was short.",
            memory.closed_idle(),
        ),
        (
            "memory_shed_total",
            "Client connections closed for what they held, because memory was short.",
            memory.shed(),
        ),
    ];
    for (name, help, value) in counters {
        header(out, name, Kind::Counter, help);
        sample(out, name, "", value);
    }
    admission.loads.write(out);
    let gauges = [
        (
            "connections_limit",
            "Client connections that there may be; 0 is no limit.",
            connections.most().unwrap_or(0),
        ),
        (
            "connections_per_address_limit",
            "Client connections that one address may have; 0 is no limit.",
            connections.per_address().unwrap_or(0),
        ),
        (
            "client_addresses",
            "Addresses that have client connections and are bounded.",
            connections.addresses() as u64,
        ),
        (
            "requests_limit",
            "Requests that may be in flight; 0 is no limit.",
            requests.most().unwrap_or(0),
        ),
        (
            "requests_waiting",
            "Requests that wait to be let in.",
            requests.waiting() as u64,
        ),
        (
            "memory_bytes",
            "Memory of the process that is resident.",
            memory.taken(),
        ),
        (
            "memory_limit_bytes",
            "Memory that the process may take; 0 is no limit.",
            memory.ceiling().unwrap_or(0),
        ),
        (
            "memory_level",
            "What is done about memory: 0 nothing, 1 idle ones closed, 2 nobody let in, 3 the largest closed.",
            memory.level() as u64,
        ),
    ];
    for (name, help, value) in gauges {
        header(out, name, Kind::Gauge, help);
        sample(out, name, "", value);
    }
}
