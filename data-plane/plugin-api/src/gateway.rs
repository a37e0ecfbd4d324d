//! What a plugin may ask of the gateway that serves its request.

use std::rc::Rc;

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use http::{Request, Response};

use crate::context::Context;
use crate::response;

/// Answers requests that stand inside others (`batch-requests`).
pub trait Gateway {
    /// Answers a request as if the client had sent it over the same connection: it is matched, filtered,
    /// logged and counted as any other. Who the client is, and what balancers in front told of it, is
    /// taken from `outer`, whatever the request says. The body of the answer may have `max_answer` bytes.
    ///
    /// Dropping the future means that nobody waits for the answer any more.
    fn ask(
        self: Rc<Self>,
        outer: &Context,
        request: Request<Bytes>,
        max_answer: usize,
    ) -> LocalBoxFuture<'static, Result<Response<Bytes>, NoInnerAnswer>>;
}

/// Why a request inside another has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoInnerAnswer {
    /// Its body is larger than the caller takes.
    #[error("the answer is too large")]
    TooLarge,
    /// It was broken off.
    #[error("the answer was broken off")]
    BrokenOff,
}

/// Changes answers that plugins make before a node is asked (`exit-transformer`).
pub trait ChangeAnswer {
    /// The answer that goes out in place of `response`.
    fn change(&self, context: &mut Context, response: response::Response) -> response::Response;
}
