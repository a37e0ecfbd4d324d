//! TLS towards clients (certificates by server name, and the handshake) and towards nodes.

mod chains;
mod clients;
pub mod failure;
pub mod handshake;
mod line;
pub mod node;
pub mod ocsp;
mod offer;
mod pem;
pub mod session;
pub mod store;
pub mod terms;
pub mod tickets;
pub mod turnstile;

pub use failure::{Failure, FailureKind};
pub use handshake::{accept, accept_stream};
pub use node::NodeTls;
pub use offer::check;
pub use session::Session;
pub use store::Certificates;
pub use terms::{Terms, Versions};
pub use tickets::Tickets;
pub use turnstile::Turnstile;
