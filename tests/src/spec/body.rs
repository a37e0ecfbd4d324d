//! Bodies as they are written in a case.

use std::io::{Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::Deserialize;

/// A text, so many letters `x`, or something made of these.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Text {
    /// As it stands.
    Exact(String),
    /// `{size: N}`: N times `x`.
    Sized {
        /// Number of bytes.
        size: usize,
    },
    /// `{base64: TEXT}`: bytes that are no text.
    Base64 {
        /// The bytes, encoded.
        base64: String,
    },
    /// `{gzip: BODY}`: a body, compressed.
    Gzip {
        /// Its plain form.
        gzip: Box<Text>,
    },
}

impl Text {
    /// The bytes.
    ///
    /// # Panics
    /// What a case has as base64 is none.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Exact(text) => text.clone().into_bytes(),
            Self::Sized { size } => vec![b'x'; *size],
            Self::Base64 { base64 } => STANDARD.decode(base64).expect("base64"),
            Self::Gzip { gzip } => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
                let written = encoder.write_all(&gzip.bytes());
                written.and_then(|()| encoder.finish()).expect("memory")
            }
        }
    }
}

/// What a body was before it was compressed.
///
/// # Errors
/// It is not compressed in this way.
pub(super) fn gunzipped(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    GzDecoder::new(body).read_to_end(&mut plain)?;
    Ok(plain)
}
