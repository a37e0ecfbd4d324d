//! How HTTP/2 begins on a port that speaks HTTP/1.1 as well (RFC 9113 section 3.4).

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What clients send first.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The method is reserved: no request of HTTP/1.1 has it (RFC 9113 section 11.6).
const METHOD: &[u8] = b"PRI ";
/// An empty SETTINGS, then GOAWAY with `PROTOCOL_ERROR`.
const REFUSAL: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x01";
/// Bytes that a client that was refused may go on to send before it is cut off.
const PATIENCE: usize = 64 * 1024;

/// What is spoken, as far as the first bytes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// They do not tell yet.
    Unclear,
    /// Something else: HTTP/1.1, or nothing that there is.
    Other,
    /// HTTP/2.
    Http2,
    /// HTTP/2, but not as it must begin.
    Broken,
}

impl Beginning {
    /// What `bytes` tell.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let compared = bytes.len().min(PREFACE.len());
        if bytes.get(..compared) != PREFACE.get(..compared) {
            return if bytes.starts_with(METHOD) {
                Self::Broken
            } else {
                Self::Other
            };
        }
        if compared == PREFACE.len() {
            Self::Http2
        } else {
            Self::Unclear
        }
    }
}

/// Tells a client whose preface is broken so, and waits for its end: what it has sent and nobody has
/// read would reset the connection, and take the word with it.
///
/// # Errors
/// The connection is gone.
pub async fn refuse(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    stream.write_all(REFUSAL).await?;
    stream.shutdown().await?;
    let mut left = PATIENCE;
    let mut piece = [0; 1024];
    while left > 0 {
        match stream.read(&mut piece).await? {
            0 => break,
            size => left = left.saturating_sub(size),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell_what_is_spoken() {
        for (bytes, expected) in [
            (&b""[..], Beginning::Unclear),
            (b"P", Beginning::Unclear),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r", Beginning::Unclear),
            (PREFACE, Beginning::Http2),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nmore", Beginning::Http2),
            (b"PUT / HTTP/1.1", Beginning::Other),
            (b"PRIME / HTTP/1.1", Beginning::Other),
            (b"GET / HTTP/1.1", Beginning::Other),
            (b"\x16\x03\x01", Beginning::Other),
            (b"PRI /", Beginning::Broken),
            (b"PRI * HTTP/2.1", Beginning::Broken),
            (b"PRI * HTTP/2.0\r\n\r\nXX", Beginning::Broken),
        ] {
            assert_eq!(Beginning::of(bytes), expected, "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn client_with_a_broken_preface_is_told() {
        let (mut client, server) = tokio::io::duplex(1024);
        client.write_all(b"PRI * HTTP/3.0\r\n").await.unwrap();
        let told = async {
            let mut told = Vec::new();
            client.read_to_end(&mut told).await.unwrap();
            drop(client);
            told
        };
        let (refused, told) = tokio::join!(refuse(server), told);
        refused.unwrap();
        assert_eq!(told, REFUSAL);
        // A frame has nine bytes before its content.
        assert_eq!(told.len(), 9 + 9 + 8);
    }
}
