//! What a plugin says at the end of an early phase.

use std::time::Duration;

use futures_util::future::LocalBoxFuture;

use crate::response::Response;

/// The outcome of one plugin in one early phase.
///
/// Most plugins answer at once and cost no allocation; a plugin that must wait returns
/// [`Step::Wait`]. Dropping the future of a waiting step means that the client is gone.
pub enum Step<'a> {
    /// Go on with the next plugin.
    Continue,
    /// End the early phases and send this answer.
    Respond(Box<Response>),
    /// Go on after this time; the worker's timer wheel keeps it (resolution 1 ms or coarser).
    Delay(Duration),
    /// End the early phases and send this answer after this time.
    RespondAfter(Duration, Box<Response>),
    /// Run this phase of this plugin again once as much of the request's body is there as it asked
    /// for ([`crate::RequestBody::whole`]). Only in the rewrite and access phases; later the body is
    /// on its way.
    ReadBody,
    /// Go on when the future is ready.
    Wait(LocalBoxFuture<'a, Step<'static>>),
}

impl Step<'_> {
    /// Ends the early phases with `response`.
    #[must_use]
    pub fn respond(response: Response) -> Self {
        Step::Respond(Box::new(response))
    }
}
