//! What every part of Weir needs of the network, and what is easy to get wrong twice: serving HTTP
//! to operators within bounds ([`serve`]), trusting or not trusting TLS servers ([`tls`]), and telling
//! an error with its [`causes`].
//!
//! The proxy's own client side is not here: it has other limits and no tokio timers.

mod causes;
pub mod serve;
pub mod tls;

pub use causes::causes;
