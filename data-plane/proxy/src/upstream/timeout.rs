//! Limits of one try. Each runs between two events, none over a whole message.

use std::time::Duration;

use weir_model::field::timeout::Timeouts;

/// Limits towards a node, and the client's while its body is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From the start of the connection to its end.
    pub connect: Duration,
    /// Between two successful writes to the node.
    pub send: Duration,
    /// Between two successful reads from the node; it starts when the request has been sent.
    pub read: Duration,
    /// Between two pieces of the client's body.
    pub client: Duration,
}

impl Limits {
    /// The limits of a try: what route or upstream say, and the client's own.
    #[must_use]
    pub fn new(node: &Timeouts, client: Duration) -> Self {
        Self {
            connect: node.connect,
            send: node.send,
            read: node.read,
            client,
        }
    }
}
