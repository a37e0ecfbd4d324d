//! Reading the header from a client's connection, and not a byte behind it.

use std::io;
use std::net::IpAddr;

use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::decode::{Malformed, Progress, Told, decode};

/// Why a connection that should begin with a header is closed.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The peer is none of those whose word is taken.
    #[error("the peer is none of those that may send a PROXY header")]
    Untrusted,
    /// It is none.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// The peer is gone, or was before the header was whole.
    #[error("connection lost: {0}")]
    Lost(#[from] io::Error),
}

/// Reads what `peer` says about its client; `trusted` are those who may, `None` is everybody.
/// Bounded in size, not in time. When it is dropped, what was read is lost.
///
/// # Errors
/// Why the connection is to be closed.
pub async fn receive(
    stream: &mut (impl AsyncRead + Unpin),
    peer: IpAddr,
    trusted: Option<&[IpNet]>,
) -> Result<Option<Told>, Refused> {
    let peer = peer.to_canonical();
    if trusted.is_some_and(|trusted| !trusted.iter().any(|net| net.contains(&peer))) {
        return Err(Refused::Untrusted);
    }
    let mut header = Vec::new();
    loop {
        match decode(&header)? {
            Progress::Complete(told) => return Ok(told),
            Progress::More(more) => {
                let begin = header.len();
                header.resize(begin + more, 0);
                let room = header.get_mut(begin..).unwrap_or_default();
                // The next byte may be wrong already: nothing is waited for that does not matter.
                let read = stream.read(room).await?;
                if read == 0 {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                }
                header.truncate(begin + read);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    const LINE: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.2 12345 443\r\n";

    #[tokio::test]
    async fn a_header_in_pieces_is_read_and_what_follows_stays() {
        let (mut client, mut server) = tokio::io::duplex(256);
        let writing = tokio::spawn(async move {
            for piece in LINE.chunks(3) {
                client.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            client.write_all(b"GET /").await.unwrap();
        });
        let peer = "10.0.0.1".parse().unwrap();
        let told = receive(&mut server, peer, None).await.unwrap().unwrap();
        assert_eq!(told.source, "192.0.2.1:12345".parse().unwrap());
        writing.await.unwrap();
        let mut rest = String::new();
        server.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "GET /");
    }

    #[tokio::test]
    async fn strangers_are_not_listened_to() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
        for (peer, fits) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("11.0.0.1", false),
        ] {
            let mut stream = LINE;
            let told = receive(&mut stream, peer.parse().unwrap(), Some(&trusted)).await;
            assert_eq!(told.is_ok(), fits, "{peer}");
        }
    }

    #[tokio::test]
    async fn a_header_that_breaks_off_is_none() {
        let mut stream = &LINE[..20];
        let lost = receive(&mut stream, "10.0.0.1".parse().unwrap(), None).await;
        assert!(matches!(lost, Err(Refused::Lost(_))), "{lost:?}");
    }
}
