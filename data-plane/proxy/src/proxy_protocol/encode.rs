//! Writing the header, for nodes.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use bytes::{BufMut, Bytes, BytesMut};
use weir_model::upstream::ProxyProtocol;

/// How a binary header begins.
pub(super) const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// The header that tells `source`, the client, and `destination`, where it connected to.
#[must_use]
pub fn encode(version: ProxyProtocol, source: SocketAddr, destination: SocketAddr) -> Bytes {
    let pair = same_family(source.ip().to_canonical(), destination.ip().to_canonical());
    let ports = (source.port(), destination.port());
    match version {
        ProxyProtocol::V1 => text(pair, ports),
        ProxyProtocol::V2 => binary(pair, ports),
    }
}

/// A header has room for one family only.
fn same_family(source: IpAddr, destination: IpAddr) -> (IpAddr, IpAddr) {
    match (source, destination) {
        (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => (source, destination),
        _ => (IpAddr::V6(mapped(source)), IpAddr::V6(mapped(destination))),
    }
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

fn text((source, destination): (IpAddr, IpAddr), (from, to): (u16, u16)) -> Bytes {
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    Bytes::from(format!(
        "PROXY {family} {source} {destination} {from} {to}\r\n"
    ))
}

fn binary((source, destination): (IpAddr, IpAddr), (from, to): (u16, u16)) -> Bytes {
    let mut header = BytesMut::with_capacity(52);
    header.put_slice(&SIGNATURE);
    // Version 2, command PROXY.
    header.put_u8(0x21);
    let (family, length) = if source.is_ipv4() {
        (0x11, 12)
    } else {
        (0x21, 36)
    };
    header.put_u8(family);
    header.put_u16(length);
    for address in [source, destination] {
        match address {
            IpAddr::V4(address) => header.put_slice(&address.octets()),
            IpAddr::V6(address) => header.put_slice(&address.octets()),
        }
    }
    header.put_u16(from);
    header.put_u16(to);
    header.freeze()
}
