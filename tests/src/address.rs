//! Addresses that no other test uses.
//!
//! Nodes are killed and started again on the same ports, so a port that was free once is not
//! enough. Every part gets a loopback IP address of its own instead, and keeps the usual ports.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU8, Ordering};

static NEXT: AtomicU8 = AtomicU8::new(1);

/// A fresh address in 127.0.0.0/8, outside of 127.0.0.0/16.
pub fn fresh() -> Ipv4Addr {
    let pid = std::process::id();
    let host = NEXT.fetch_add(1, Ordering::Relaxed);
    assert!(host < 250, "a test process may use at most 249 addresses");
    Ipv4Addr::new(127, 1 + (pid / 256 % 254) as u8, (pid % 256) as u8, host)
}
