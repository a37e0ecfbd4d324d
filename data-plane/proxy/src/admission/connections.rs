//! How many client connections there may be: in all, and of one address.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ipnet::IpNet;

use super::Admission;
use super::addresses::{Addresses, Key};
use super::complaint::Complaint;

/// Why a connection is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The process has as many as it may.
    All,
    /// Its address has as many as one may.
    Address,
    /// Memory is short.
    Memory,
}

impl Full {
    /// Every cause, in the order of the metrics.
    pub const ALL: [Full; 3] = [Full::All, Full::Address, Full::Memory];

    /// Name in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Full::All => "connections",
            Full::Address => "connections_per_address",
            Full::Memory => "memory",
        }
    }
}

/// Connections that were not served.
#[derive(Debug, Default)]
struct Refused {
    count: AtomicU64,
    complaint: Complaint,
}

/// The caps and what is used of them.
#[derive(Debug)]
pub struct Connections {
    most: Option<u64>,
    per_address: Option<u64>,
    /// Relays: their connections are those of many clients.
    trusted: Vec<IpNet>,
    open: AtomicU64,
    addresses: Addresses,
    refused: [Refused; 3],
    failed: Refused,
}

impl Connections {
    /// No connection yet; none of `trusted` is bounded by address.
    #[must_use]
    pub fn new(most: Option<u64>, per_address: Option<u64>, trusted: Vec<IpNet>) -> Self {
        Self {
            most,
            per_address,
            trusted,
            open: AtomicU64::new(0),
            addresses: Addresses::default(),
            refused: Default::default(),
            failed: Refused::default(),
        }
    }

    /// Most connections in all.
    #[must_use]
    pub fn most(&self) -> Option<u64> {
        self.most
    }

    /// Most connections of one address.
    #[must_use]
    pub fn per_address(&self) -> Option<u64> {
        self.per_address
    }

    /// Connections that are open.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Addresses that have connections and are bounded.
    #[must_use]
    pub fn addresses(&self) -> usize {
        self.addresses.len()
    }

    /// Connections that were not served for this cause.
    #[must_use]
    pub fn refused(&self, full: Full) -> u64 {
        self.refused_for(full)
            .map_or(0, |refused| refused.count.load(Ordering::Relaxed))
    }

    /// Notes that a connection is not served; gives the cause back.
    pub fn refuse(&self, full: Full) -> Full {
        let Some(refused) = self.refused_for(full) else {
            return full;
        };
        refused.count.fetch_add(1, Ordering::Relaxed);
        if let Some(count) = refused.complaint.note(Instant::now()) {
            tracing::warn!(
                limit = full.as_str(),
                refused = count,
                open = self.open(),
                addresses = self.addresses(),
                connections = self.most,
                connections_per_address = self.per_address,
                "connections refused: a limit is reached"
            );
        }
        full
    }

    /// Connections that the system did not give.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed.count.load(Ordering::Relaxed)
    }

    /// Notes that the system does not give a connection.
    pub fn fail(&self, error: &std::io::Error) {
        self.failed.count.fetch_add(1, Ordering::Relaxed);
        if let Some(count) = self.failed.complaint.note(Instant::now()) {
            tracing::warn!(%error, failed = count, open = self.open(), "cannot accept connections, pausing");
        }
    }

    fn refused_for(&self, full: Full) -> Option<&Refused> {
        let mut both = self.refused.iter().zip(Full::ALL);
        both.find(|(_, of)| *of == full).map(|(refused, _)| refused)
    }

    /// Counts a connection, until the result is dropped.
    ///
    /// # Errors
    /// What is full.
    pub(super) fn enter(admission: &Arc<Admission>, peer: Option<IpAddr>) -> Result<Seat, Full> {
        let this = &admission.connections;
        let before = this.open.fetch_add(1, Ordering::Relaxed);
        // From here on dropping it gives the place back.
        let mut seat = Seat {
            admission: Arc::clone(admission),
            address: None,
        };
        if this.most.is_some_and(|most| before >= most) {
            return Err(this.refuse(Full::All));
        }
        if let Some(peer) = peer {
            seat.claim(peer)?;
        }
        Ok(seat)
    }
}

/// A connection that is counted. Dropping it gives its place back.
#[derive(Debug)]
pub struct Seat {
    admission: Arc<Admission>,
    address: Option<Key>,
}

impl Seat {
    /// Counts it for an address, unless that is trusted.
    ///
    /// # Errors
    /// The address has as many as it may.
    pub fn claim(&mut self, address: IpAddr) -> Result<(), Full> {
        let connections = &self.admission.connections;
        let Some(most) = connections.per_address else {
            return Ok(());
        };
        let canonical = address.to_canonical();
        let mut trusted = connections.trusted.iter();
        if self.address.is_some() || trusted.any(|network| network.contains(&canonical)) {
            return Ok(());
        }
        let key = Key::of(address);
        if !connections.addresses.enter(key, most) {
            return Err(connections.refuse(Full::Address));
        }
        self.address = Some(key);
        Ok(())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let connections = &self.admission.connections;
        connections.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(key) = self.address {
            connections.addresses.leave(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::{Cap, Settings};

    fn admission(connections: u64, per_address: u64) -> Arc<Admission> {
        let mut settings = Settings::default();
        settings.limits.connections = Cap::At(connections);
        settings.limits.connections_per_address = Cap::At(per_address);
        settings.real_ip.from = vec!["127.0.0.1/32".parse().unwrap()];
        Arc::new(Admission::new(&settings, 1, None, None))
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn both_caps_hold_and_places_come_back() {
        let admission = admission(4, 2);
        let one = admission.seat(ip("10.0.0.1")).unwrap();
        let two = admission.seat(ip("10.0.0.1")).unwrap();
        assert_eq!(admission.seat(ip("10.0.0.1")).unwrap_err(), Full::Address);
        let _three = admission.seat(ip("10.0.0.2")).unwrap();
        let _four = admission.seat(ip("10.0.0.3")).unwrap();
        assert_eq!(admission.seat(ip("10.0.0.4")).unwrap_err(), Full::All);
        assert_eq!(admission.connections.open(), 4);
        assert_eq!(admission.connections.addresses(), 3);
        drop(one);
        let _five = admission.seat(ip("10.0.0.1")).unwrap();
        drop(two);
        assert_eq!(admission.connections.open(), 3);
        assert_eq!(admission.connections.refused(Full::All), 1);
        assert_eq!(admission.connections.refused(Full::Address), 1);
    }

    #[test]
    fn a_relay_is_bounded_by_whom_it_speaks_for() {
        let admission = admission(10, 1);
        let relays: Vec<_> = (0..3).map(|_| admission.seat(ip("127.0.0.1"))).collect();
        assert!(relays.iter().all(Result::is_ok));
        let mut told = admission.seat(None).unwrap();
        assert_eq!(told.claim("10.0.0.1".parse().unwrap()), Ok(()));
        let mut again = admission.seat(None).unwrap();
        assert_eq!(again.claim("10.0.0.1".parse().unwrap()), Err(Full::Address));
        drop((told, again));
        assert_eq!(admission.connections.addresses(), 0);
    }
}
