//! HTTP/1.1 towards nodes: a strict parser, body framing, and a connection that is polled from
//! the request's own task.

pub mod body;
pub mod codec;
pub mod head;
mod out;
pub mod parse;

#[cfg(test)]
mod tests;
