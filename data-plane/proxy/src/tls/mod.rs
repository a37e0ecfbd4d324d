//! TLS towards clients: certificates by server name, and the handshake.

pub mod sni;
pub mod store;

pub use sni::{Session, accept};
pub use store::Certificates;
