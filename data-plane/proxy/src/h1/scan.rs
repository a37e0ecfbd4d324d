//! Where a head ends: found without reading any byte twice, and without believing a bare line feed.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;

/// Heads up to this size are copied.
const COPIED: usize = 2 * 1024;

/// Takes `size` bytes off the front of `buffer`. A small head lives as long as its request: it gets
/// memory of its own, and the buffer is free for what follows.
#[must_use]
pub fn take(buffer: &mut BytesMut, size: usize) -> Bytes {
    match buffer.get(..size) {
        Some(head) if size <= COPIED => {
            let head = Bytes::copy_from_slice(head);
            buffer.advance(size);
            head
        }
        _ => buffer.split_to(size).freeze(),
    }
}

/// Why no head can come of these bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadLines {
    /// The head is larger than allowed.
    #[error("head is larger than allowed")]
    TooLarge,
    /// A line feed without carriage return before it (RFC 9112 section 2.2).
    #[error("line does not end in CR LF")]
    BareLineFeed,
}

/// Looks for the blank line as bytes come in.
#[derive(Debug, Default)]
pub struct Scanner {
    scanned: usize,
    line_start: usize,
}

impl Scanner {
    /// Length of the head at the front of `buffer`, blank line included; `None` until it is whole.
    /// At most `max` bytes are looked at.
    ///
    /// # Errors
    /// The head is too large, or has a bare line feed.
    pub fn find_end(&mut self, buffer: &[u8], max: usize) -> Result<Option<usize>, BadLines> {
        while let Some(at) = buffer
            .get(self.scanned..)
            .and_then(|rest| memchr(b'\n', rest))
        {
            let line_feed = self.scanned + at;
            let line = buffer
                .get(self.line_start..line_feed)
                .and_then(|line| line.strip_suffix(b"\r"))
                .ok_or(BadLines::BareLineFeed)?;
            if line_feed >= max {
                return Err(BadLines::TooLarge);
            }
            let blank = line.is_empty() && self.line_start > 0;
            self.scanned = line_feed + 1;
            self.line_start = self.scanned;
            if blank {
                return Ok(Some(self.scanned));
            }
        }
        self.scanned = buffer.len();
        if buffer.len() >= max {
            return Err(BadLines::TooLarge);
        }
        Ok(None)
    }

    /// Whether the first line is not complete yet.
    #[must_use]
    pub fn is_in_first_line(&self) -> bool {
        self.line_start == 0
    }
}
