//! How nodes are chosen, found, connected to, and when they are given up.

pub mod acquire;
pub mod balancer;
pub mod budget;
pub mod connect;
pub mod load;
pub mod node;
pub mod pool;
pub mod resolve;
pub mod retry;
pub mod runtime;
pub mod timeout;
pub mod transport;
