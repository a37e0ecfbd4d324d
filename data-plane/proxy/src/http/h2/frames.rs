//! Frame boundaries of HTTP/2 (RFC 9113 section 4.1), found while the bytes pass by: nothing is
//! copied but the first bytes of a frame, nothing is allocated.

/// Bytes of a frame header.
const HEAD: usize = 9;
/// Bytes of a payload that are looked at: an error code behind a stream id, at most.
const BEGIN: usize = 8;

/// `END_STREAM` of DATA and HEADERS, `ACK` of SETTINGS and PING.
pub const END_STREAM: u8 = 0x1;
/// `END_HEADERS` of HEADERS and CONTINUATION.
pub const END_HEADERS: u8 = 0x4;
/// `PADDED` of DATA and HEADERS.
pub const PADDED: u8 = 0x8;

/// Types of frames (RFC 9113 section 6).
pub mod kind {
    /// Body.
    pub const DATA: u8 = 0;
    /// The beginning of a header block.
    pub const HEADERS: u8 = 1;
    /// Obsolete.
    pub const PRIORITY: u8 = 2;
    /// The end of a stream by error.
    pub const RST_STREAM: u8 = 3;
    /// What an end can and wants.
    pub const SETTINGS: u8 = 4;
    /// Not for clients to send.
    pub const PUSH_PROMISE: u8 = 5;
    /// A question whether the other end is there, or the answer.
    pub const PING: u8 = 6;
    /// The end of the connection.
    pub const GOAWAY: u8 = 7;
    /// Room for DATA.
    pub const WINDOW_UPDATE: u8 = 8;
    /// More of a header block.
    pub const CONTINUATION: u8 = 9;
}

/// The beginning of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Type.
    pub kind: u8,
    /// Flags.
    pub flags: u8,
    /// Bytes of its payload.
    pub length: u32,
    /// The first bytes of the payload; zeros where it is shorter.
    pub begin: [u8; BEGIN],
}

impl Frame {
    /// Whether a flag is set.
    #[must_use]
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Bytes of a DATA frame that are neither padding nor its length.
    #[must_use]
    pub fn useful(&self) -> u32 {
        if !self.has(PADDED) {
            return self.length;
        }
        let [padding, ..] = self.begin;
        self.length.saturating_sub(1 + u32::from(padding))
    }

    /// The error code of RST_STREAM.
    #[must_use]
    pub fn code(&self) -> u32 {
        let [a, b, c, d, ..] = self.begin;
        u32::from_be_bytes([a, b, c, d])
    }

    /// The error code of GOAWAY.
    #[must_use]
    pub fn goaway_code(&self) -> u32 {
        let [.., a, b, c, d] = self.begin;
        u32::from_be_bytes([a, b, c, d])
    }
}

/// Where in a stream of frames we are.
#[derive(Debug)]
pub struct Frames {
    /// Header and first bytes of the frame that begins.
    start: [u8; HEAD + BEGIN],
    /// How many of them are there.
    have: usize,
    /// Bytes to come of what is not looked at.
    rest: usize,
}

impl Frames {
    /// Frames that begin after so many bytes of something else.
    #[must_use]
    pub fn after(bytes: usize) -> Self {
        Self {
            start: [0; HEAD + BEGIN],
            have: 0,
            rest: bytes,
        }
    }

    /// Whether the next byte begins a frame.
    #[must_use]
    pub fn is_between(&self) -> bool {
        self.have == 0 && self.rest == 0
    }

    /// Takes bytes up to the beginning of the next frame that is known well enough; gives it with
    /// what was not taken. `None` when all were taken.
    pub fn next<'a>(&mut self, mut bytes: &'a [u8]) -> Option<(Frame, &'a [u8])> {
        loop {
            let passed = self.rest.min(bytes.len());
            self.rest -= passed;
            bytes = bytes.get(passed..).unwrap_or_default();
            if bytes.is_empty() {
                return None;
            }
            let wanted = self.wanted();
            let missing = wanted.saturating_sub(self.have);
            let (now, later) = bytes.split_at(missing.min(bytes.len()));
            if let Some(room) = self.start.get_mut(self.have..self.have + now.len()) {
                room.copy_from_slice(now);
            }
            self.have += now.len();
            bytes = later;
            if self.have >= HEAD && self.have == self.wanted() {
                return Some((self.take(), bytes));
            }
        }
    }

    /// Bytes of the beginning, as far as is known.
    fn wanted(&self) -> usize {
        if self.have < HEAD {
            return HEAD;
        }
        HEAD + self.length().min(BEGIN)
    }

    fn length(&self) -> usize {
        let [a, b, c, ..] = self.start;
        usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)
    }

    fn take(&mut self) -> Frame {
        let length = self.length();
        let [_, _, _, kind, flags, _, _, _, _, begin @ ..] = self.start;
        let frame = Frame {
            kind,
            flags,
            // Three bytes long.
            length: u32::try_from(length).unwrap_or(u32::MAX),
            begin,
        };
        self.start = [0; HEAD + BEGIN];
        self.have = 0;
        self.rest = length.saturating_sub(BEGIN);
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
        bytes.extend([kind, flags, 0, 0, 0, 1]);
        bytes.extend(payload);
        bytes
    }

    fn read(frames: &mut Frames, mut bytes: &[u8]) -> Vec<Frame> {
        let mut found = Vec::new();
        while let Some((frame, rest)) = frames.next(bytes) {
            found.push(frame);
            bytes = rest;
        }
        found
    }

    proptest! {
        /// However the bytes are cut, the same frames are found, and the end of the last is known.
        #[test]
        fn frames_are_found_in_any_pieces(
            sent in proptest::collection::vec((any::<u8>(), any::<u8>(), 0_usize..40), 1..20),
            preface in 0_usize..30,
            cuts in proptest::collection::vec(1_usize..30, 1..20),
        ) {
            let mut bytes = vec![b'P'; preface];
            let mut expected = Vec::new();
            for (kind, flags, length) in &sent {
                let payload: Vec<u8> = (0..*length).map(|at| at as u8 + 1).collect();
                bytes.extend(written(*kind, *flags, &payload));
                let mut begin = [0; BEGIN];
                let known = payload.len().min(BEGIN);
                begin[..known].copy_from_slice(&payload[..known]);
                expected.push(Frame { kind: *kind, flags: *flags, length: *length as u32, begin });
            }
            let mut frames = Frames::after(preface);
            let mut found = Vec::new();
            let mut rest = &bytes[..];
            for cut in cuts.iter().cycle() {
                let (piece, later) = rest.split_at((*cut).min(rest.len()));
                found.extend(read(&mut frames, piece));
                rest = later;
                prop_assert_eq!(frames.is_between() && rest.is_empty(), found.len() == sent.len() && rest.is_empty());
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn padding_is_of_no_use() {
        let mut frames = Frames::after(0);
        let found = read(
            &mut frames,
            &written(kind::DATA, PADDED, &[3, b'x', 0, 0, 0]),
        );
        assert_eq!(found[0].useful(), 1);
        let found = read(&mut frames, &written(kind::DATA, PADDED, &[9]));
        assert_eq!(found[0].useful(), 0);
    }

    #[test]
    fn codes_are_read() {
        let mut frames = Frames::after(0);
        let found = read(&mut frames, &written(kind::RST_STREAM, 0, &[0, 0, 0, 8]));
        assert_eq!(found[0].code(), 8);
        let goaway = written(kind::GOAWAY, 0, &[0, 0, 0, 1, 0, 0, 0, 11, b'x']);
        assert_eq!(read(&mut frames, &goaway)[0].goaway_code(), 11);
    }
}
