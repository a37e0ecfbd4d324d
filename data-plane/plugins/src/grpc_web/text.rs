//! The text form: base64 of the binary one.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

/// Decodes the body of a request. Clients may encode each frame by itself: padding may stand in the
/// middle, at the end of a group of four.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let mut rest = text;
    while !rest.is_empty() {
        let padding = rest.iter().position(|byte| *byte == b'=');
        let end = match padding {
            Some(at) => at / 4 * 4 + 4,
            None => rest.len(),
        };
        let part = rest.get(..end)?;
        STANDARD.decode_vec(part, &mut out).ok()?;
        rest = rest.get(end..)?;
    }
    Some(out)
}

/// Encodes an answer piece by piece as one text.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    /// What did not fill a group of three.
    left: Vec<u8>,
}

impl Encoder {
    pub(super) fn encode(&mut self, piece: &[u8], end: bool) -> Bytes {
        self.left.extend_from_slice(piece);
        let whole = if end {
            self.left.len()
        } else {
            self.left.len() / 3 * 3
        };
        let rest = self.left.split_off(whole);
        let text = STANDARD.encode(std::mem::replace(&mut self.left, rest));
        Bytes::from(text)
    }
}
