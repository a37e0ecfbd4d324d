//! HTTP/1.1 towards clients: strict by construction. A head is read by one parser or refused, what
//! it says is written anew for nodes, and answers are framed here only.
//!
//! One task serves a connection: it reads a head, runs the pipeline, writes the answer, and begins
//! again. The body of a request is read by whoever wants it, through [`Body`], on the same task.

mod answer;
mod body;
mod connection;
pub mod parse;
mod shared;
mod target;
mod writing;

pub use body::{Body, Handle};
pub use connection::{Entered, serve};
