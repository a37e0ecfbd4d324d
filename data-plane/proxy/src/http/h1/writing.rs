//! The body of an answer on its way to the client: framed here, piece by piece.

use std::pin::Pin;
use std::task::{Context, Poll};

use http::HeaderMap;
use http_body::Body as _;
use tokio::io::{AsyncRead, AsyncWrite};

use super::answer::Framing;
use super::shared::Shared;
use crate::http::response::ResponseBody;

/// The answer cannot be completed.
pub(super) struct Unwritten;

/// An answer on its way.
pub(super) struct Writing {
    /// Dropped, and the request over with it, when everything is queued.
    pub(super) body: Option<ResponseBody>,
    pub(super) framing: Framing,
    pub(super) trailers: Option<HeaderMap>,
    pub(super) takes_trailers: bool,
}

/// Why no more of an answer is queued.
pub(super) enum Filled {
    /// There is no more.
    Whole,
    /// There is no room.
    Full,
    /// The next piece has not come.
    Waiting,
}

impl Writing {
    /// Queues pieces, as long as there is room and there are some.
    pub(super) fn fill<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared<S>,
    ) -> Result<Filled, Unwritten> {
        while let Some(body) = &mut self.body {
            if !shared.lock().out.has_room() {
                return Ok(Filled::Full);
            }
            // The body may read that of the request: nothing of the connection is held meanwhile.
            let frame = match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Pending => return Ok(Filled::Waiting),
                Poll::Ready(None) => {
                    self.end(shared)?;
                    break;
                }
                Poll::Ready(Some(Err(_))) => return Err(Unwritten),
                Poll::Ready(Some(Ok(frame))) => frame,
            };
            match frame.into_data() {
                Ok(data) => {
                    let last = body.is_end_stream();
                    self.count(data.len() as u64)?;
                    let chunked = self.framing == Framing::Chunked;
                    if !data.is_empty() {
                        shared.lock().queue(data, chunked);
                    }
                    if last {
                        self.end(shared)?;
                    }
                }
                Err(frame) => {
                    let trailers = frame.into_trailers().ok();
                    self.trailers = trailers.filter(|_| self.takes_trailers);
                }
            }
        }
        Ok(Filled::Whole)
    }

    /// A body of a length has that length.
    fn count(&mut self, size: u64) -> Result<(), Unwritten> {
        if let Framing::Length(left) = &mut self.framing {
            *left = left.checked_sub(size).ok_or(Unwritten)?;
        }
        Ok(())
    }

    fn end<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        shared: &Shared<S>,
    ) -> Result<(), Unwritten> {
        self.body = None;
        match self.framing {
            Framing::Chunked => {
                shared.lock().out.put_end(self.trailers.as_ref());
                Ok(())
            }
            Framing::Length(1..) => Err(Unwritten),
            Framing::Length(0) | Framing::Bodiless | Framing::Close => Ok(()),
        }
    }
}
