//! The client side: connections, requests, the pipeline between them and the nodes, and answers.

pub mod attempt;
pub mod choosing;
pub mod clock;
pub mod connection;
pub mod cookie;
pub mod forward;
pub mod h1;
pub mod h2;
pub mod hedging;
pub mod hop;
pub mod inbound;
pub mod inner;
pub mod intake;
mod pace;
pub mod pipeline;
pub mod proxying;
pub mod request;
pub mod response;
pub mod target;
pub mod trailers;
pub mod transaction;
pub mod tunnel;
pub mod upgrade;

#[cfg(test)]
mod sizes;
