//! TLS towards clients (certificates by server name, and the handshake) and towards nodes.

mod clients;
pub mod node;
mod pem;
pub mod sni;
pub mod store;

pub use node::NodeTls;
pub use sni::{Session, accept};
pub use store::Certificates;
