//! Who is let in: connections within the caps, requests within what can be served, and neither of
//! them when memory runs out. One for all workers; what only one worker needs is in [`lag`].
//!
//! What decides is pure ([`gate::decide`], [`lag::Share`], [`memory::level`]); around it are
//! counters that any thread changes.

pub mod addresses;
pub mod complaint;
pub mod connections;
pub mod descriptors;
pub mod gate;
pub mod lag;
pub mod loads;
pub mod memory;
mod text;

use std::net::IpAddr;
use std::sync::Arc;

use crate::error::Reason;
use crate::gateway::Settings;

use connections::{Connections, Full, Seat};
use gate::{Gate, Place};
use loads::Loads;
use memory::Memory;

/// Share of `connections` that one address may have.
const ADDRESSES: u64 = 4;

/// The caps of the process, and what is used of them.
#[derive(Debug)]
pub struct Admission {
    /// Client connections.
    pub connections: Connections,
    /// Requests in flight.
    pub requests: Arc<Gate>,
    /// What the process takes of the machine.
    pub memory: Memory,
    /// How the workers keep up.
    pub loads: Loads,
}

impl Admission {
    /// Caps as the settings and the machine have them: `descriptors` is how many files the process
    /// may have open, `machine` how many bytes it may take.
    #[must_use]
    pub fn new(
        settings: &Settings,
        workers: usize,
        descriptors: Option<u64>,
        machine: Option<u64>,
    ) -> Self {
        let limits = &settings.limits;
        let derived = descriptors.map(descriptors::for_clients);
        let connections = limits.connections.resolve(derived);
        let per_address = connections.map(|all| (all / ADDRESSES).max(1));
        let trusted = settings.trusted_addresses.iter().flatten();
        let trusted = trusted.chain(&settings.real_ip.from).copied().collect();
        Self {
            connections: Connections::new(
                connections,
                limits.connections_per_address.resolve(per_address),
                trusted,
            ),
            requests: Arc::new(Gate::new(
                limits.requests.resolve(connections),
                limits.pending,
            )),
            memory: Memory::new(limits.memory.resolve(machine.map(memory::ceiling))),
            loads: Loads::new(workers),
        }
    }

    /// Counts a connection, until the result is dropped. That of a relay is of no address until
    /// the relay has told of whom ([`Seat::claim`]).
    ///
    /// # Errors
    /// What is full.
    pub fn seat(self: &Arc<Self>, peer: Option<IpAddr>) -> Result<Seat, Full> {
        if self.memory.is_short() {
            return Err(self.connections.refuse(Full::Memory));
        }
        Connections::enter(self, peer)
    }

    /// Lets a request in, maybe after a moment, until the result is dropped.
    ///
    /// # Errors
    /// Why not.
    pub async fn place(&self) -> Result<Place, Reason> {
        if self.memory.is_short() {
            self.memory.count_refused();
            return Err(Reason::MemoryShort);
        }
        let place = Gate::enter(&self.requests).await;
        place.ok_or(Reason::Overloaded)
    }

    /// Appends the metrics in the Prometheus text format.
    pub fn write_text(&self, out: &mut String) {
        text::write(self, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::Cap;

    #[test]
    fn caps_follow_from_the_machine_unless_they_are_set() {
        let mut settings = Settings::default();
        let admission = Admission::new(&settings, 1, Some(20_000), Some(1_000 << 20));
        assert_eq!(admission.connections.most(), Some(16_000));
        assert_eq!(admission.connections.per_address(), Some(4_000));
        assert_eq!(admission.requests.most(), Some(16_000));
        assert_eq!(admission.memory.ceiling(), Some(800 << 20));
        settings.limits.connections = Cap::At(10);
        settings.limits.memory = Cap::Off;
        let admission = Admission::new(&settings, 1, Some(20_000), Some(1_000 << 20));
        assert_eq!(admission.connections.per_address(), Some(2));
        assert_eq!(admission.requests.most(), Some(10));
        assert_eq!(admission.memory.ceiling(), None);
        settings.limits.connections_per_address = Cap::Off;
        let admission = Admission::new(&settings, 1, None, None);
        assert_eq!(admission.connections.per_address(), None);
    }
}
