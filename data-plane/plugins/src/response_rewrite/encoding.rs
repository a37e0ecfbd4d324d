//! Content encodings that filters can look into.

use std::io::{self, Read};

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

/// Size of the buffer between the brotli decoder and us.
const BROTLI_BUFFER: usize = 4096;

/// How a body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
    Deflate,
    Brotli,
}

impl Encoding {
    /// The encoding that the headers name; `None` for one that we do not know, or several.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(CONTENT_ENCODING).iter();
        let Some(value) = values.next() else {
            return Some(Encoding::Identity);
        };
        if values.next().is_some() {
            return None;
        }
        match value.to_str().ok()?.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Encoding::Identity),
            "gzip" | "x-gzip" => Some(Encoding::Gzip),
            "deflate" => Some(Encoding::Deflate),
            "br" => Some(Encoding::Brotli),
            _ => None,
        }
    }

    /// The plain body.
    ///
    /// # Errors
    /// The body is not what the encoding says, or is larger than `limit` bytes.
    pub(super) fn decode(self, body: &[u8], limit: u64) -> io::Result<Vec<u8>> {
        match self {
            Encoding::Identity => Ok(body.to_vec()),
            Encoding::Gzip => read(MultiGzDecoder::new(body), limit),
            // RFC 9110 section 8.4.1.2: deflate is the zlib format, but some send it bare.
            Encoding::Deflate => read(ZlibDecoder::new(body), limit)
                .or_else(|_| read(DeflateDecoder::new(body), limit)),
            Encoding::Brotli => read(brotli::Decompressor::new(body, BROTLI_BUFFER), limit),
        }
    }
}

fn read(decoder: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    decoder
        .take(limit.saturating_add(1))
        .read_to_end(&mut plain)?;
    if plain.len() as u64 > limit {
        return Err(io::Error::other("the decoded body is larger than allowed"));
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use http::HeaderValue;

    use super::*;

    const TEXT: &[u8] = b"hello hello hello hello";

    pub(super) fn gzip(plain: &[u8]) -> Vec<u8> {
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
    }

    #[test]
    fn a_small_body_cannot_become_a_large_one() {
        let bomb = gzip(&vec![0; 10_000_000]);
        assert!(bomb.len() < 20_000);
        assert!(Encoding::Gzip.decode(&bomb, 1_000_000).is_err());
    }

    #[test]
    fn what_is_not_encoded_as_said_is_an_error() {
        for encoding in [Encoding::Gzip, Encoding::Deflate, Encoding::Brotli] {
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
        assert_eq!(of(&["zstd"]), None);
        assert_eq!(of(&["gzip, br"]), None);
        assert_eq!(of(&["gzip", "br"]), None);
    }
}
