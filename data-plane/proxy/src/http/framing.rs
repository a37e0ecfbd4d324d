//! What hyper does not tell: whether a request head stated both framings.
//!
//! hyper takes `Transfer-Encoding` and drops `Content-Length` before anybody can see that both were
//! there. Heads are written anew for nodes, so nothing can be smuggled; but such a request is an
//! attack or a mistake, and is refused (RFC 9112 section 6.1).

use memchr::memmem;

/// Bytes of an unfinished head that are kept.
const MAX_CARRY: usize = 64 * 1024;

/// Watches the heads that come over one HTTP/1.1 connection.
#[derive(Debug, Default)]
pub struct Watch {
    carry: Vec<u8>,
    ambiguous: bool,
}

impl Watch {
    /// Looks at bytes that came between requests.
    pub fn see(&mut self, bytes: &[u8]) {
        if self.carry.is_empty() {
            match end(bytes) {
                Some(head) => self.ambiguous |= is_ambiguous(head),
                None => self.keep(bytes),
            }
            return;
        }
        self.keep(bytes);
        if let Some(head) = end(&self.carry) {
            self.ambiguous |= is_ambiguous(head);
            self.carry = Vec::new();
        }
    }

    /// Whether the head of the request that begins now stated both framings.
    pub fn take(&mut self) -> bool {
        self.carry = Vec::new();
        std::mem::take(&mut self.ambiguous)
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.carry.len() + bytes.len() <= MAX_CARRY {
            self.carry.extend_from_slice(bytes);
        }
    }
}

fn end(bytes: &[u8]) -> Option<&[u8]> {
    let at = memmem::find(bytes, b"\r\n\r\n").or_else(|| memmem::find(bytes, b"\n\n"))?;
    bytes.get(..at)
}

fn is_ambiguous(head: &[u8]) -> bool {
    has_field(head, b"transfer-encoding:") && has_field(head, b"content-length:")
}

/// Whether a line begins with `field`, in any case.
fn has_field(head: &[u8], field: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', head).any(|line_feed| {
        let start = line_feed + 1;
        head.get(start..start + field.len())
            .is_some_and(|name| name.eq_ignore_ascii_case(field))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOTH: &[u8] =
        b"POST / HTTP/1.1\r\nHost: a\r\nTRANSFER-encoding: chunked\r\nContent-length: 3\r\n\r\n";

    #[test]
    fn one_framing_is_fine() {
        for head in [
            "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nx-content-length: 3\r\n\r\n",
        ] {
            let mut watch = Watch::default();
            watch.see(head.as_bytes());
            assert!(!watch.take(), "{head}");
        }
    }

    proptest! {
        #[test]
        fn both_framings_are_seen_in_any_pieces(at in 1..BOTH.len() - 1) {
            let mut watch = Watch::default();
            let (first, second) = BOTH.split_at(at);
            watch.see(first);
            watch.see(second);
            prop_assert!(watch.take());
            prop_assert!(!watch.take());
        }
    }
}
