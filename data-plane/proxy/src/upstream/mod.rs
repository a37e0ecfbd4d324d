//! How nodes are chosen, found, connected to, and when they are given up.

use std::fmt::Debug;

use sha2::{Digest, Sha256};

pub mod acquire;
pub mod alike;
pub mod balancer;
pub mod budget;
pub mod census;
pub mod connect;
pub mod health;
pub mod line;
pub mod load;
pub mod locality;
mod names;
pub mod node;
mod parts;
pub mod pool;
pub mod reach;
pub mod resolve;
pub mod retry;
pub mod runtime;
pub mod seats;
mod selection;
pub mod timeout;
pub mod transport;

/// A short name of a configuration: equal ones have equal names.
fn fingerprint(config: &impl Debug) -> String {
    let digest = Sha256::digest(format!("{config:?}"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
