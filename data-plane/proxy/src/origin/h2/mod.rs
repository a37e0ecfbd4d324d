//! HTTP/2 towards nodes, on the `h2` crate: connections are shared by the requests of one worker,
//! and every exchange is polled from its own request's task, as with HTTP/1.1.

mod connection;
mod exchange;
mod request;

pub use connection::{Connection, Lease};
pub use exchange::Exchange;
pub use request::request;
