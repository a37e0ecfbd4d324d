//! How nodes are spoken to.

pub mod h1;
