//! What is made of an answer's body once every filter has run: its content coding.
//!
//! Header filters offer codings; when all of them have run, the one that the client wants most is
//! taken. So filters see plain bodies whatever their priority, and a body is coded once.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::context::Context;
use crate::response::ResponseHead;

/// A content coding that a plugin offers.
pub trait ContentCoding: Send + Sync {
    /// How much the client wants the answer in this coding, 1 to 1000; `None` when it stays as it
    /// is. The head is as the filters left it; what holds for the answer either way may be added
    /// (`Vary`).
    fn weigh(&self, context: &mut Context) -> Option<u16>;

    /// Changes the head of an answer that will be in this coding, and begins the body.
    fn begin(&self, head: &mut ResponseHead) -> Box<dyn BodyEncoder>;
}

/// The body of one answer on its way into a coding.
pub trait BodyEncoder {
    /// Takes a chunk of the body and leaves in its place everything that can be sent, so that what
    /// a node streams arrives; `end` is true exactly once.
    ///
    /// # Errors
    /// The body cannot be coded.
    fn encode(&mut self, chunk: &mut Bytes, end: bool) -> io::Result<()>;
}

/// The codings of one answer.
#[derive(Default)]
pub(crate) struct Codings {
    offered: Vec<Arc<dyn ContentCoding>>,
    chosen: Option<Box<dyn BodyEncoder>>,
}

impl Context {
    /// Offers a coding of the answer; for header filters. Of two that the client wants as much, the
    /// first one is taken.
    pub fn offer_coding(&mut self, coding: Arc<dyn ContentCoding>) {
        self.codings.offered.push(coding);
    }

    /// Takes the coding that the client wants most; for the proxy, after the header filters.
    pub fn choose_coding(&mut self) {
        self.codings.chosen = None;
        let offered = std::mem::take(&mut self.codings.offered);
        let mut best: Option<(u16, Arc<dyn ContentCoding>)> = None;
        for coding in offered {
            if let Some(wanted) = coding.weigh(self)
                && best.as_ref().is_none_or(|(most, _)| wanted > *most)
            {
                best = Some((wanted, coding));
            }
        }
        if let (Some((_, coding)), Some(head)) = (best, &mut self.response) {
            self.codings.chosen = Some(coding.begin(head));
        }
    }

    /// Whether the body goes out in a coding that was chosen.
    #[must_use]
    pub fn codes_body(&self) -> bool {
        self.codings.chosen.is_some()
    }

    /// Codes a piece of the body; for the proxy, after the body filters. A body that cannot be
    /// coded breaks the answer off.
    pub fn code_body(&mut self, piece: &mut Bytes, end: bool) {
        if let Some(encoder) = &mut self.codings.chosen
            && let Err(error) = encoder.encode(piece, end)
        {
            tracing::warn!(%error, request_id = %self.record.request_id, "answer cannot be coded");
            piece.clear();
            self.abort_response = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::{FakeHost, request, response};

    /// Puts its name in front of every chunk.
    struct Named(&'static str, Option<u16>);

    impl ContentCoding for Named {
        fn weigh(&self, _context: &mut Context) -> Option<u16> {
            self.1
        }

        fn begin(&self, head: &mut ResponseHead) -> Box<dyn BodyEncoder> {
            head.body_changes = true;
            Box::new(Naming(self.0))
        }
    }

    struct Naming(&'static str);

    impl BodyEncoder for Naming {
        fn encode(&mut self, chunk: &mut Bytes, end: bool) -> io::Result<()> {
            if chunk.as_ref() == b"bad" {
                return Err(io::Error::other("no"));
            }
            *chunk = Bytes::from([self.0.as_bytes(), chunk.as_ref()].concat());
            if end {
                self.0 = "";
            }
            Ok(())
        }
    }

    fn with(codings: &[(&'static str, Option<u16>)]) -> Context {
        let mut context = request("/").context(FakeHost::shared());
        context.response = Some(response(200, &[]));
        for (name, wanted) in codings {
            context.offer_coding(Arc::new(Named(name, *wanted)));
        }
        context.choose_coding();
        context
    }

    fn coded(context: &mut Context, piece: &'static str) -> Bytes {
        let mut piece = Bytes::from_static(piece.as_bytes());
        context.code_body(&mut piece, false);
        piece
    }

    #[test]
    fn the_coding_that_is_wanted_most_is_taken_once() {
        let mut context = with(&[("a", Some(500)), ("b", Some(1000)), ("c", Some(1000))]);
        assert!(context.codes_body());
        assert!(context.response.as_ref().unwrap().body_changes);
        assert_eq!(coded(&mut context, "x"), "bx");
        // An answer in place of this one has its own.
        context.choose_coding();
        assert!(!context.codes_body());
        assert_eq!(coded(&mut context, "x"), "x");
    }

    #[test]
    fn an_answer_that_nobody_wants_coded_stays_as_it_is() {
        let context = with(&[("a", None)]);
        assert!(!context.codes_body());
        assert!(!context.response.as_ref().unwrap().body_changes);
    }

    #[test]
    fn a_body_that_cannot_be_coded_is_broken_off() {
        let mut context = with(&[("a", Some(1))]);
        assert_eq!(coded(&mut context, "bad"), "");
        assert!(context.abort_response);
    }
}
