//! The PROXY protocol (its specification, versions 1 and 2): who the client is, told before
//! anything else is said on a connection.

mod encode;

pub use encode::encode;
