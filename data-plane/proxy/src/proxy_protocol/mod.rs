//! The PROXY protocol (its specification, versions 1 and 2): who the client is, told before
//! anything else is said on a connection.

mod checksum;
mod decode;
mod encode;
mod receive;

pub use decode::{Malformed, Progress, Told, decode};
pub use encode::encode;
pub use receive::{Refused, receive};
