//! The codings themselves. Each chunk is flushed, so that what a node streams arrives.

use std::io::{self, Write};

use brotli::CompressorWriter;
use brotli::enc::BrotliEncoderParams;
use bytes::Bytes;
use flate2::Compression as Level;
use flate2::write::GzEncoder;
use weir_plugin_api::BodyEncoder;
use zstd::stream::raw::CParameter;
use zstd::stream::write::Encoder as ZstdWriter;

/// Bytes between us and the brotli encoder.
const BROTLI_BUFFER: usize = 4096;
/// What gzip's level 1 means: the encoder's own gives answers that are a third larger for a tenth of a
/// millisecond.
const FASTEST: u32 = 2;

/// A coding with its settings.
pub(crate) enum Codec {
    /// RFC 1952.
    Gzip {
        /// 1 to 9.
        level: u32,
        /// Bytes by which the room for a compressed chunk grows.
        step: usize,
        /// Bytes that are set aside for a compressed chunk beforehand, at most.
        room: usize,
    },
    /// RFC 7932.
    Brotli(Box<BrotliEncoderParams>),
    /// RFC 8878.
    Zstd {
        /// 1 to 19.
        level: i32,
        /// Base 2 logarithm of the window; `None` is what belongs to the level.
        window_log: Option<u32>,
        /// Whether a checksum follows the body.
        checksum: bool,
    },
}

impl Codec {
    /// Its name in `Content-Encoding`.
    pub(crate) const fn token(&self) -> &'static str {
        match self {
            Codec::Gzip { .. } => "gzip",
            Codec::Brotli(_) => "br",
            Codec::Zstd { .. } => "zstd",
        }
    }

    /// An encoder for one body.
    ///
    /// # Errors
    /// The library refuses the settings, or has no memory.
    pub(super) fn encoder(&self) -> io::Result<Box<dyn BodyEncoder>> {
        Ok(match self {
            Codec::Gzip { level, step, room } => Box::new(Gzip {
                inner: GzEncoder::new(Vec::new(), Level::new((*level).max(FASTEST))),
                step: *step,
                room: *room,
            }),
            Codec::Brotli(parameters) => Box::new(Streamed(Some(CompressorWriter::with_params(
                Vec::new(),
                BROTLI_BUFFER,
                parameters,
            )))),
            Codec::Zstd {
                level,
                window_log,
                checksum,
            } => {
                let mut inner = ZstdWriter::new(Vec::new(), *level)?;
                if let Some(window_log) = window_log {
                    inner.set_parameter(CParameter::WindowLog(*window_log))?;
                }
                inner.include_checksum(*checksum)?;
                Box::new(Streamed(Some(inner)))
            }
        })
    }
}

struct Gzip {
    inner: GzEncoder<Vec<u8>>,
    step: usize,
    room: usize,
}

impl BodyEncoder for Gzip {
    fn encode(&mut self, chunk: &mut Bytes, end: bool) -> io::Result<()> {
        let wanted = chunk.len().div_ceil(self.step).saturating_mul(self.step);
        self.inner.get_mut().reserve(wanted.min(self.room));
        if !chunk.is_empty() {
            self.inner.write_all(chunk)?;
            if !end {
                self.inner.flush()?;
            }
        }
        if end {
            self.inner.try_finish()?;
        }
        *chunk = Bytes::from(std::mem::take(self.inner.get_mut()));
        Ok(())
    }
}

/// A writer of one body, which is used up at its end.
trait Stream: Write + Sized {
    /// What was written and not taken yet.
    fn made(&mut self) -> &mut Vec<u8>;

    /// Ends the body and gives what was not taken.
    fn finish(self) -> io::Result<Vec<u8>>;
}

impl Stream for CompressorWriter<Vec<u8>> {
    fn made(&mut self) -> &mut Vec<u8> {
        self.get_mut()
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        Ok(self.into_inner())
    }
}

impl Stream for ZstdWriter<'static, Vec<u8>> {
    fn made(&mut self) -> &mut Vec<u8> {
        self.get_mut()
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        ZstdWriter::finish(self)
    }
}

/// `None` after the end.
struct Streamed<S>(Option<S>);

impl<S: Stream + Send> BodyEncoder for Streamed<S> {
    fn encode(&mut self, chunk: &mut Bytes, end: bool) -> io::Result<()> {
        let Some(mut inner) = self.0.take() else {
            return Err(io::Error::other("the body has ended"));
        };
        inner.write_all(chunk)?;
        if end {
            *chunk = Bytes::from(inner.finish()?);
            return Ok(());
        }
        if !chunk.is_empty() {
            inner.flush()?;
        }
        *chunk = Bytes::from(std::mem::take(inner.made()));
        self.0 = Some(inner);
        Ok(())
    }
}
