//! Content encodings that plugins can look into.

use std::io::{self, Read};

use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flate2::read::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

/// Base64 as `ngx.decode_base64` reads it: padding may be left out.
pub(crate) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// Size of the buffer between the brotli decoder and us.
const BROTLI_BUFFER: usize = 4096;
/// Bytes by which the plain form of a deflate stream grows.
const INFLATE_STEP: usize = 16 * 1024;
/// Largest window that this coding may have on the web: 8 MiB (RFC 9659).
const ZSTD_WINDOW: u32 = 23;

/// How a body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// Why a body has no plain form.
#[derive(Debug)]
pub(crate) enum Undecodable {
    /// It would be larger than it may be.
    TooLarge,
    /// It is not what the encoding says.
    Corrupt(io::Error),
}

impl From<io::Error> for Undecodable {
    fn from(error: io::Error) -> Self {
        Self::Corrupt(error)
    }
}

impl Encoding {
    /// The encoding that the headers name; `None` for one that we do not know, or several.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(CONTENT_ENCODING).iter();
        let Some(value) = values.next() else {
            return Some(Encoding::Identity);
        };
        if values.next().is_some() {
            return None;
        }
        Self::named(value.to_str().ok()?)
    }

    /// The encoding of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Encoding::Identity),
            "gzip" | "x-gzip" => Some(Encoding::Gzip),
            "deflate" => Some(Encoding::Deflate),
            "br" => Some(Encoding::Brotli),
            "zstd" => Some(Encoding::Zstd),
            _ => None,
        }
    }

    /// The plain body.
    ///
    /// # Errors
    /// The body is not what the encoding says, or is larger than `limit` bytes.
    pub(crate) fn decode(self, body: &[u8], limit: u64) -> Result<Vec<u8>, Undecodable> {
        match self {
            Encoding::Identity => read(body, limit),
            Encoding::Gzip => read(MultiGzDecoder::new(body), limit),
            // RFC 9110 section 8.4.1.2: deflate is the zlib format, but some send it bare.
            Encoding::Deflate => match inflate(body, true, limit) {
                Err(Undecodable::Corrupt(_)) => inflate(body, false, limit),
                done => done,
            },
            Encoding::Brotli => read(brotli::Decompressor::new(body, BROTLI_BUFFER), limit),
            Encoding::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(body)?;
                decoder.window_log_max(ZSTD_WINDOW)?;
                read(decoder, limit)
            }
        }
    }
}

fn read(decoder: impl Read, limit: u64) -> Result<Vec<u8>, Undecodable> {
    let mut plain = Vec::new();
    decoder
        .take(limit.saturating_add(1))
        .read_to_end(&mut plain)?;
    if plain.len() as u64 > limit {
        return Err(Undecodable::TooLarge);
    }
    Ok(plain)
}

/// As [`read`], of a deflate stream; flate2's reader would take one that breaks off for whole.
fn inflate(body: &[u8], zlib: bool, limit: u64) -> Result<Vec<u8>, Undecodable> {
    let mut stream = Decompress::new(zlib);
    let mut plain = Vec::with_capacity(INFLATE_STEP);
    loop {
        let taken = usize::try_from(stream.total_in()).unwrap_or(usize::MAX);
        let rest = body.get(taken..).unwrap_or_default();
        plain.reserve(INFLATE_STEP);
        let before = stream.total_out();
        let status = stream
            .decompress_vec(rest, &mut plain, FlushDecompress::None)
            .map_err(io::Error::from)?;
        if plain.len() as u64 > limit {
            return Err(Undecodable::TooLarge);
        }
        match status {
            Status::StreamEnd if stream.total_in() == body.len() as u64 => return Ok(plain),
            Status::StreamEnd => return Err(io::Error::from(io::ErrorKind::InvalidData).into()),
            _ if stream.total_out() == before && stream.total_in() == body.len() as u64 => {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use http::HeaderValue;

    use super::*;

    const TEXT: &[u8] = b"hello hello hello hello";

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn known_encodings_are_decoded() {
        assert_eq!(Encoding::Gzip.decode(&gzip(TEXT), 100).unwrap(), TEXT);
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(TEXT).unwrap();
        let zlib = zlib.finish().unwrap();
        assert_eq!(Encoding::Deflate.decode(&zlib, 100).unwrap(), TEXT);
        let mut bare = DeflateEncoder::new(Vec::new(), Compression::default());
        bare.write_all(TEXT).unwrap();
        let bare = bare.finish().unwrap();
        assert_eq!(Encoding::Deflate.decode(&bare, 100).unwrap(), TEXT);
        let mut brotli = Vec::new();
        brotli::CompressorWriter::new(&mut brotli, 4096, 5, 20)
            .write_all(TEXT)
            .unwrap();
        assert_eq!(Encoding::Brotli.decode(&brotli, 100).unwrap(), TEXT);
        let zstd = zstd::encode_all(TEXT, 3).unwrap();
        assert_eq!(Encoding::Zstd.decode(&zstd, 100).unwrap(), TEXT);
    }

    #[test]
    fn a_body_that_breaks_off_or_goes_on_is_an_error() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(TEXT).unwrap();
        let zlib = zlib.finish().unwrap();
        let zstd = zstd::encode_all(TEXT, 3).unwrap();
        for (encoding, whole) in [
            (Encoding::Gzip, gzip(TEXT)),
            (Encoding::Deflate, zlib),
            (Encoding::Zstd, zstd),
        ] {
            let cut = whole.get(..whole.len() - 3).unwrap();
            let longer = [whole.as_slice(), b"more"].concat();
            for body in [cut, &longer] {
                let outcome = encoding.decode(body, 100);
                assert!(
                    matches!(outcome, Err(Undecodable::Corrupt(_))),
                    "{encoding:?} {outcome:?}"
                );
            }
        }
    }

    #[test]
    fn a_small_body_cannot_become_a_large_one() {
        let bomb = gzip(&vec![0; 10_000_000]);
        assert!(bomb.len() < 20_000);
        let outcome = Encoding::Gzip.decode(&bomb, 1_000_000);
        assert!(matches!(outcome, Err(Undecodable::TooLarge)));
    }

    #[test]
    fn what_is_not_encoded_as_said_is_an_error() {
        for encoding in [
            Encoding::Gzip,
            Encoding::Deflate,
            Encoding::Brotli,
            Encoding::Zstd,
        ] {
            assert!(encoding.decode(b"plain text", 100).is_err(), "{encoding:?}");
        }
    }

    #[test]
    fn the_headers_name_the_encoding() {
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONTENT_ENCODING, HeaderValue::from_static(value));
            }
            Encoding::of(&headers)
        };
        assert_eq!(of(&[]), Some(Encoding::Identity));
        assert_eq!(of(&["GZIP"]), Some(Encoding::Gzip));
        assert_eq!(of(&["br"]), Some(Encoding::Brotli));
        assert_eq!(of(&["deflate"]), Some(Encoding::Deflate));
        assert_eq!(of(&["zstd"]), Some(Encoding::Zstd));
        assert_eq!(of(&["compress"]), None);
        assert_eq!(of(&["gzip, br"]), None);
        assert_eq!(of(&["gzip", "br"]), None);
    }
}
