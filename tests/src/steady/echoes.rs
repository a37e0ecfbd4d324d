//! What comes back on one connection or stream.

use std::fmt::Display;
use std::sync::atomic::Ordering;

use super::websocket::FRAME;
use super::{Client, lock};

/// Counts the frames that came back.
pub(super) struct Echoes<'a> {
    client: &'a Client,
    what: &'a str,
    count: u64,
}

impl<'a> Echoes<'a> {
    pub(super) fn new(client: &'a Client, what: &'a str) -> Self {
        Self {
            client,
            what,
            count: 0,
        }
    }

    /// Notes what came in answer to a frame, and rests; `false` when it ended or the test is over.
    pub(super) async fn came<E: Display>(
        &mut self,
        back: Result<&[u8], E>,
    ) -> Result<bool, String> {
        match back {
            Ok(back) if back == FRAME => {}
            Ok(back) => return Err(format!("frame {} came back as {back:?}", self.count)),
            Err(error) => {
                let text = format!("{} after {} frames: {error}", self.what, self.count);
                lock(&self.client.seen.ended).push(text);
                return Ok(false);
            }
        }
        if self.count == 0 {
            self.client.seen.open.fetch_add(1, Ordering::Relaxed);
        }
        self.count += 1;
        self.client.seen.pieces.fetch_add(1, Ordering::Relaxed);
        Ok(self.client.rest().await)
    }
}
