//! Where a message's body ends: decoding what comes in, chunk framing for what goes out.

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use memchr::memchr;

use super::field;
use crate::http::trailers;

/// Digits accepted in a chunk size.
const MAX_SIZE_DIGITS: u8 = 15;

/// Bytes of extensions in all chunks of a body, and how many bytes of data earn one more: those who
/// sign their chunks need one in a hundred, those who want to keep us busy a multiple of the data.
const EXTENSIONS: u64 = 16 * 1024;
const PRICE: u64 = 16;

/// What is accepted in a chunked body beside the body itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of the extensions of one chunk.
    pub extension: usize,
    /// Bytes of all trailers.
    pub trailer_bytes: usize,
    /// Number of trailers.
    pub trailer_count: usize,
}

/// Takes a body off a byte stream, whatever the pieces in which it arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoder {
    state: State,
    trailers: Option<Box<HeaderMap>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Done,
    Length(u64),
    UntilClose,
    Chunked(Chunked),
}

/// The chunked coding.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Chunked {
    place: Chunk,
    bounds: Bounds,
    /// Bytes of the extensions of this chunk, or of the trailers so far.
    spent: usize,
    /// What extensions may still cost in all chunks together, [`PRICE`] a byte.
    credit: u64,
    /// Lines of the trailers.
    trailers: Vec<u8>,
}

/// Place inside the chunked coding (RFC 9112 section 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunk {
    Size { value: u64, digits: u8 },
    Extension { value: u64, part: Extension },
    SizeLineFeed { value: u64 },
    Data { left: u64 },
    DataReturn,
    DataLineFeed,
    TrailerStart,
    Trailer,
    TrailerLineFeed,
    LastLineFeed,
}

/// Place inside a chunk extension: `name`, `name=token` or `name="quoted"` (RFC 9112 section 7.1.1),
/// without the blanks that only old senders wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extension {
    /// Behind the semicolon, or inside of the name.
    NameStart,
    Name,
    /// Behind the equals sign, or inside of the value.
    ValueStart,
    Value,
    Quoted,
    Escaped,
    QuotedEnd,
}

impl Extension {
    /// What follows a byte; `None` when it may not stand here.
    fn next(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Name | Self::Value | Self::QuotedEnd, b';') => Self::NameStart,
            (Self::Name, b'=') => Self::ValueStart,
            (Self::ValueStart, b'"') => Self::Quoted,
            (Self::NameStart | Self::Name, _) if field::is_token(byte) => Self::Name,
            (Self::ValueStart | Self::Value, _) if field::is_token(byte) => Self::Value,
            (Self::Quoted, b'"') => Self::QuotedEnd,
            (Self::Quoted, b'\\') => Self::Escaped,
            (Self::Quoted | Self::Escaped, _) if !field::is_control(byte) => Self::Quoted,
            _ => return None,
        })
    }

    /// Whether the line may end here.
    const fn may_end(self) -> bool {
        matches!(self, Self::Name | Self::Value | Self::QuotedEnd)
    }
}

/// What came out of one step.
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A piece of the body, never empty.
    Data(Bytes),
    /// More bytes are needed.
    More,
    /// The body is complete; what is left in the buffer does not belong to it.
    End,
}

/// The body is not framed as it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.as_str())]
pub enum BadBody {
    /// The chunked coding is malformed.
    Chunk,
    /// The trailers are malformed.
    Trailers,
    /// The extensions of a chunk are larger than allowed.
    Extension,
    /// The trailers are larger than allowed, or more.
    TooLarge,
    /// The stream ended inside the body.
    Early,
}

impl BadBody {
    /// The rule that is broken.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chunk => "chunk is malformed",
            Self::Trailers => "trailers are malformed",
            Self::Extension => "chunk extensions are too large",
            Self::TooLarge => "trailers are too large or too many",
            Self::Early => "body ended early",
        }
    }
}

impl Decoder {
    /// No body.
    #[must_use]
    pub const fn done() -> Self {
        Self::of(State::Done)
    }

    const fn of(state: State) -> Self {
        Self {
            state,
            trailers: None,
        }
    }

    /// A body of exactly this many bytes.
    #[must_use]
    pub const fn length(length: u64) -> Self {
        Self::of(if length == 0 {
            State::Done
        } else {
            State::Length(length)
        })
    }

    /// A chunked body.
    #[must_use]
    pub const fn chunked(bounds: Bounds) -> Self {
        Self::of(State::Chunked(Chunked {
            place: Chunk::Size {
                value: 0,
                digits: 0,
            },
            bounds,
            spent: 0,
            credit: EXTENSIONS * PRICE,
            trailers: Vec::new(),
        }))
    }

    /// A body that ends with the connection.
    #[must_use]
    pub const fn until_close() -> Self {
        Self::of(State::UntilClose)
    }

    /// Whether only the end of the connection ends the body.
    #[must_use]
    pub fn ends_with_connection(&self) -> bool {
        self.state == State::UntilClose
    }

    /// Whether the body is complete, and its trailers taken.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done && self.trailers.is_none()
    }

    /// The trailers, once the body has ended.
    pub fn take_trailers(&mut self) -> Option<HeaderMap> {
        self.trailers.take().map(|trailers| *trailers)
    }

    /// Bytes still to come, when the framing tells.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        match self.state {
            State::Done => Some(0),
            State::Length(left) => Some(left),
            State::UntilClose | State::Chunked(_) => None,
        }
    }

    /// Takes the next piece off the front of `buffer`.
    ///
    /// # Errors
    /// The framing is malformed; the connection must be closed.
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Decoded, BadBody> {
        match &mut self.state {
            State::Done => Ok(Decoded::End),
            State::UntilClose if buffer.is_empty() => Ok(Decoded::More),
            State::UntilClose => Ok(Decoded::Data(buffer.split().freeze())),
            State::Length(_) if buffer.is_empty() => Ok(Decoded::More),
            State::Length(left) => {
                let piece = take(buffer, left);
                if *left == 0 {
                    self.state = State::Done;
                }
                Ok(Decoded::Data(piece))
            }
            State::Chunked(chunked) => {
                let step = chunked.decode(buffer)?;
                if step == Decoded::End {
                    self.trailers =
                        parse_trailers(&chunked.trailers, chunked.bounds.trailer_count)?;
                    self.state = State::Done;
                }
                Ok(step)
            }
        }
    }

    /// The stream has ended. Only a body without other framing may end so.
    ///
    /// # Errors
    /// The body is not complete.
    pub fn end_of_stream(&mut self) -> Result<(), BadBody> {
        match self.state {
            State::Done => Ok(()),
            State::UntilClose => {
                self.state = State::Done;
                Ok(())
            }
            State::Length(_) | State::Chunked(_) => Err(BadBody::Early),
        }
    }
}

fn take(buffer: &mut BytesMut, left: &mut u64) -> Bytes {
    let size = usize::try_from(*left)
        .unwrap_or(usize::MAX)
        .min(buffer.len());
    *left -= size as u64;
    buffer.split_to(size).freeze()
}

impl Chunked {
    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Decoded, BadBody> {
        loop {
            if let Chunk::Data { left } = &mut self.place {
                if buffer.is_empty() {
                    return Ok(Decoded::More);
                }
                let piece = take(buffer, left);
                if *left == 0 {
                    self.place = Chunk::DataReturn;
                }
                self.credit = self.credit.saturating_add(piece.len() as u64);
                return Ok(Decoded::Data(piece));
            }
            let Some(&byte) = buffer.first() else {
                return Ok(Decoded::More);
            };
            buffer.advance(1);
            if self.place == Chunk::LastLineFeed {
                return if byte == b'\n' {
                    Ok(Decoded::End)
                } else {
                    Err(BadBody::Chunk)
                };
            }
            let before = self.place;
            self.place = next(before, byte)?;
            self.count()?;
            let in_line = matches!(before, Chunk::Trailer | Chunk::TrailerLineFeed);
            if in_line || self.place == Chunk::Trailer {
                self.trailers.push(byte);
            }
        }
    }

    /// Bounds what is read without becoming body.
    fn count(&mut self) -> Result<(), BadBody> {
        let (limit, error) = match self.place {
            Chunk::Extension { .. } => {
                self.credit = self.credit.checked_sub(PRICE).ok_or(BadBody::Extension)?;
                (self.bounds.extension, BadBody::Extension)
            }
            Chunk::Trailer => (self.bounds.trailer_bytes, BadBody::TooLarge),
            Chunk::Data { .. } | Chunk::TrailerStart if self.trailers.is_empty() => {
                self.spent = 0;
                return Ok(());
            }
            _ => return Ok(()),
        };
        self.spent += 1;
        if self.spent > limit {
            return Err(error);
        }
        Ok(())
    }
}

/// Reads whole trailer lines; those that may not go on are left out.
fn parse_trailers(lines: &[u8], most: usize) -> Result<Option<Box<HeaderMap>>, BadBody> {
    let mut trailers = HeaderMap::new();
    let mut rest = lines;
    while let Some(end) = memchr(b'\n', rest) {
        let (line, after) = rest.split_at(end + 1);
        rest = after;
        if trailers.len() == most {
            return Err(BadBody::TooLarge);
        }
        let line = line.strip_suffix(b"\r\n").ok_or(BadBody::Trailers)?;
        let (name, value) = field::split(line).map_err(|_| BadBody::Trailers)?;
        let value = HeaderValue::from_bytes(value).map_err(|_| BadBody::Trailers)?;
        trailers.append(name, value);
    }
    Ok(trailers::forwardable(trailers).map(Box::new))
}

/// One byte of framing.
fn next(chunk: Chunk, byte: u8) -> Result<Chunk, BadBody> {
    let next = match (chunk, byte) {
        (Chunk::Size { value, digits }, _) if byte.is_ascii_hexdigit() => {
            if digits == MAX_SIZE_DIGITS {
                return Err(BadBody::Chunk);
            }
            Chunk::Size {
                value: value * 16 + u64::from(hex(byte)),
                digits: digits + 1,
            }
        }
        (Chunk::Size { digits: 0, .. }, _) => return Err(BadBody::Chunk),
        (Chunk::Size { value, .. }, b'\r') => Chunk::SizeLineFeed { value },
        (Chunk::Size { value, .. }, b';') => Chunk::Extension {
            value,
            part: Extension::NameStart,
        },
        (Chunk::Extension { value, part }, b'\r') if part.may_end() => {
            Chunk::SizeLineFeed { value }
        }
        (Chunk::Extension { value, part }, _) => Chunk::Extension {
            value,
            part: part.next(byte).ok_or(BadBody::Chunk)?,
        },
        (Chunk::Trailer, 0..=8 | 10..=12 | 14..=31 | 127) => return Err(BadBody::Chunk),
        (Chunk::Trailer, _) if byte != b'\r' => chunk,
        (Chunk::SizeLineFeed { value: 0 }, b'\n') => Chunk::TrailerStart,
        (Chunk::SizeLineFeed { value }, b'\n') => Chunk::Data { left: value },
        (Chunk::DataReturn, b'\r') => Chunk::DataLineFeed,
        (Chunk::DataLineFeed, b'\n') => Chunk::Size {
            value: 0,
            digits: 0,
        },
        (Chunk::TrailerStart, b'\r') => Chunk::LastLineFeed,
        (Chunk::TrailerStart, b'\n' | 0) => return Err(BadBody::Chunk),
        (Chunk::TrailerStart, _) => Chunk::Trailer,
        (Chunk::Trailer, _) => Chunk::TrailerLineFeed,
        (Chunk::TrailerLineFeed, b'\n') => Chunk::TrailerStart,
        _ => return Err(BadBody::Chunk),
    };
    Ok(next)
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => (digit - b'A') + 10,
    }
}

/// Ends a chunked body, with these trailers.
pub fn put_last_chunk(trailers: Option<&HeaderMap>, out: &mut BytesMut) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers.into_iter().flatten() {
        field::put(name.as_str().as_bytes(), value.as_bytes(), out);
    }
    out.extend_from_slice(b"\r\n");
}

/// The line before a chunk of `size` bytes; `size` must not be zero.
pub fn put_chunk_size(size: usize, out: &mut BytesMut) {
    use std::fmt::Write;
    // Writing into memory cannot fail.
    let _ = write!(out, "{size:x}\r\n");
}
