//! What every part of Weir needs of the network, and what is easy to get wrong twice: serving HTTP
//! to operators within bounds ([`serve`]), and trusting or not trusting TLS servers ([`tls`]).
//!
//! The proxy's own client side is not here: it has other limits and no tokio timers.

pub mod serve;
pub mod tls;
