//! Reading the header: a function of the bytes that have come, strict and bounded.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::checksum::crc32c;
use super::encode::SIGNATURE;

/// How a header in text begins.
const TEXT: &[u8] = b"PROXY ";
/// The shortest header: `PROXY UNKNOWN` and the end of the line. That of a binary one is longer.
const SHORTEST: usize = 15;
/// The longest header in text, with its end of line.
const LONGEST_TEXT: usize = 107;
/// The longest binary header that is read: there is no use for more, and nginx reads no more.
const LONGEST: usize = 4096;
/// Bytes of a binary header before its addresses.
const FIXED: usize = 16;
/// Type of the extension that has a checksum.
const CHECKSUM: u8 = 0x03;

/// Who the client is, by the word of the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// The client.
    pub source: SocketAddr,
    /// Where it connected to.
    pub destination: SocketAddr,
}

/// How far a header has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// At least so many bytes of it are still to come: never 0, and never more than belong to it.
    More(usize),
    /// It is complete. `None` when the peer speaks for itself (LOCAL), or does not know (UNKNOWN,
    /// UNSPEC, a Unix socket): its own address counts then.
    Complete(Option<Told>),
}

/// Why a header is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Something else is spoken.
    #[error("no PROXY header")]
    Missing,
    /// It does not end within its bounds.
    #[error("longer than allowed")]
    TooLong,
    /// Words, addresses or ports of a header in text are wrong.
    #[error("malformed line")]
    Line,
    /// Not version 2.
    #[error("unknown version")]
    Version,
    /// Neither LOCAL nor PROXY.
    #[error("unknown command")]
    Command,
    /// A protocol that is none of streams.
    #[error("unsupported address family or transport")]
    Family,
    /// Shorter than its addresses.
    #[error("too short for its addresses")]
    TooShort,
    /// Extensions (TLV) do not fit into it.
    #[error("malformed extensions")]
    Extensions,
    /// The checksum that it carries is not its own.
    #[error("wrong checksum")]
    Checksum,
}

/// Looks at everything that has come of a header.
///
/// # Errors
/// It cannot become one any more.
pub fn decode(bytes: &[u8]) -> Result<Progress, Malformed> {
    let begins = |with: &[u8]| bytes.iter().zip(with).all(|(one, other)| one == other);
    if begins(TEXT) && begins(&SIGNATURE) {
        return Ok(Progress::More(SHORTEST));
    }
    if begins(TEXT) {
        return text(bytes);
    }
    if begins(&SIGNATURE) {
        return binary(bytes);
    }
    Err(Malformed::Missing)
}

fn text(bytes: &[u8]) -> Result<Progress, Malformed> {
    let Some(line) = bytes.strip_suffix(b"\r\n") else {
        if bytes.contains(&b'\n') {
            return Err(Malformed::Line);
        }
        let end = if bytes.last() == Some(&b'\r') { 1 } else { 2 };
        let more = SHORTEST.saturating_sub(bytes.len()).max(end);
        return if bytes.len() + more > LONGEST_TEXT {
            Err(Malformed::TooLong)
        } else {
            Ok(Progress::More(more))
        };
    };
    let line = std::str::from_utf8(line).map_err(|_| Malformed::Line)?;
    if line.contains(['\r', '\n']) {
        return Err(Malformed::Line);
    }
    let mut words = line.split(' ').skip(1);
    let told = match words.next() {
        // What follows says nothing.
        Some("UNKNOWN") => return Ok(Progress::Complete(None)),
        Some("TCP4") => pair::<Ipv4Addr>(&mut words),
        Some("TCP6") => pair::<Ipv6Addr>(&mut words),
        _ => None,
    };
    match (told, words.next()) {
        (Some(told), None) => Ok(Progress::Complete(Some(told))),
        _ => Err(Malformed::Line),
    }
}

fn pair<'w, A: FromStr + Into<IpAddr>>(words: &mut impl Iterator<Item = &'w str>) -> Option<Told> {
    let mut address = || Some(words.next()?.parse::<A>().ok()?.into());
    let (source, destination): (IpAddr, IpAddr) = (address()?, address()?);
    let mut port = || port(words.next()?);
    let (from, to) = (port()?, port()?);
    Some(Told {
        source: SocketAddr::new(source, from),
        destination: SocketAddr::new(destination, to),
    })
}

/// Digits only, and none too many.
fn port(word: &str) -> Option<u16> {
    let digits = word.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits && (word == "0" || !word.starts_with('0'));
    plain.then(|| word.parse().ok()).flatten()
}

fn binary(bytes: &[u8]) -> Result<Progress, Malformed> {
    let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED>() else {
        return Ok(Progress::More(FIXED - bytes.len()));
    };
    let [.., command, family, high, low] = *fixed;
    if command >> 4 != 2 {
        return Err(Malformed::Version);
    }
    let length = usize::from(u16::from_be_bytes([high, low]));
    if FIXED + length > LONGEST {
        return Err(Malformed::TooLong);
    }
    if rest.len() < length {
        return Ok(Progress::More(length - rest.len()));
    }
    match command & 0x0f {
        // The peer speaks for itself; what follows is skipped.
        0 => return Ok(Progress::Complete(None)),
        1 => {}
        _ => return Err(Malformed::Command),
    }
    let (told, extensions) = match family {
        0x00 => return Ok(Progress::Complete(None)),
        0x11 => {
            let (addresses, rest) = rest.split_first_chunk::<12>().ok_or(Malformed::TooShort)?;
            (Some(four(*addresses)), rest)
        }
        0x21 => {
            let (addresses, rest) = rest.split_first_chunk::<36>().ok_or(Malformed::TooShort)?;
            (Some(six(*addresses)), rest)
        }
        0x31 => (None, rest.get(216..).ok_or(Malformed::TooShort)?),
        _ => return Err(Malformed::Family),
    };
    check_extensions(extensions, bytes)?;
    Ok(Progress::Complete(told))
}

fn four(bytes: [u8; 12]) -> Told {
    let [a, b, c, d, e, f, g, h, ports @ ..] = bytes;
    told(
        Ipv4Addr::new(a, b, c, d).into(),
        Ipv4Addr::new(e, f, g, h).into(),
        ports,
    )
}

fn six(bytes: [u8; 36]) -> Told {
    let (mut source, mut destination, mut ports) = ([0; 16], [0; 16], [0; 4]);
    let parts = source.iter_mut().chain(&mut destination).chain(&mut ports);
    for (part, byte) in parts.zip(bytes) {
        *part = byte;
    }
    told(
        Ipv6Addr::from(source).into(),
        Ipv6Addr::from(destination).into(),
        ports,
    )
}

fn told(source: IpAddr, destination: IpAddr, ports: [u8; 4]) -> Told {
    let [a, b, c, d] = ports;
    Told {
        source: SocketAddr::new(source, u16::from_be_bytes([a, b])),
        destination: SocketAddr::new(destination, u16::from_be_bytes([c, d])),
    }
}

/// Checks that extensions fill their place, and the checksum if they have one; the others say
/// nothing that is used.
fn check_extensions(extensions: &[u8], header: &[u8]) -> Result<(), Malformed> {
    let mut rest = extensions;
    while let Some((head, behind)) = rest.split_first_chunk::<3>() {
        let [kind, high, low] = *head;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let value = behind.get(..length).ok_or(Malformed::Extensions)?;
        if kind == CHECKSUM {
            let value: [u8; 4] = value.try_into().map_err(|_| Malformed::Extensions)?;
            let place = header.len() - behind.len();
            let mut zeroed = header.to_vec();
            for byte in zeroed.iter_mut().skip(place).take(4) {
                *byte = 0;
            }
            if crc32c(&zeroed) != u32::from_be_bytes(value) {
                return Err(Malformed::Checksum);
            }
        }
        rest = behind.get(length..).unwrap_or_default();
    }
    if rest.is_empty() {
        Ok(())
    } else {
        Err(Malformed::Extensions)
    }
}

#[cfg(test)]
mod tests;
