//! HTTP/1.1 towards nodes: a strict parser, body framing, and a connection that is polled from
//! the request's own task.

pub mod codec;
pub mod head;
pub mod parse;

#[cfg(test)]
mod tests;
