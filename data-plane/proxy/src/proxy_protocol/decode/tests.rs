use proptest::prelude::*;
use weir_model::upstream::ProxyProtocol;

use super::*;
use crate::proxy_protocol::encode;

/// Reads as a connection does: only what is asked for. Gives what came of it, and how much was read.
fn read(bytes: &[u8]) -> (Result<Option<Told>, Malformed>, usize) {
    let mut end = 0;
    loop {
        match decode(&bytes[..end]) {
            Ok(Progress::More(more)) => {
                assert!(more > 0);
                if end + more > bytes.len() {
                    return (Err(Malformed::TooShort), end);
                }
                end += more;
            }
            Ok(Progress::Complete(told)) => return (Ok(told), end),
            Err(error) => return (Err(error), end),
        }
    }
}

fn binary_header(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    header.extend([command, family]);
    header.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    header.extend(body);
    header
}

const PAIR: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 2, 0x30, 0x39, 0x01, 0xbb];

fn pair_told() -> Told {
    Told {
        source: "192.0.2.1:12345".parse().unwrap(),
        destination: "198.51.100.2:443".parse().unwrap(),
    }
}

/// A header with these extensions, the checksum among them filled in.
fn with_extensions(extensions: &[u8], checksum_at: Option<usize>) -> Vec<u8> {
    let body = [&PAIR[..], extensions].concat();
    let mut header = binary_header(0x21, 0x11, &body);
    if let Some(at) = checksum_at {
        let at = FIXED + PAIR.len() + at;
        let sum = crc32c(&header).to_be_bytes();
        header[at..at + 4].copy_from_slice(&sum);
    }
    header
}

#[test]
fn lines_are_read_strictly() {
    let told = |from: &str, to: &str| {
        Ok(Some(Told {
            source: from.parse().unwrap(),
            destination: to.parse().unwrap(),
        }))
    };
    let bad = Err(Malformed::Line);
    for (line, expected) in [
        (
            "PROXY TCP4 192.0.2.1 198.51.100.2 12345 443",
            told("192.0.2.1:12345", "198.51.100.2:443"),
        ),
        (
            "PROXY TCP6 2001:db8::1 ::1 1 0",
            told("[2001:db8::1]:1", "[::1]:0"),
        ),
        ("PROXY UNKNOWN", Ok(None)),
        ("PROXY UNKNOWN what ever 1 2", Ok(None)),
        ("PROXY TCP4 192.0.2.1 198.51.100.2 12345", bad),
        ("PROXY TCP4 192.0.2.1 198.51.100.2 12345 443 ", bad),
        ("PROXY TCP4 192.0.2.1 198.51.100.2 12345 443 x", bad),
        ("PROXY TCP4  192.0.2.1 198.51.100.2 12345 443", bad),
        ("PROXY TCP4 192.0.2.1 198.51.100.2 65536 443", bad),
        ("PROXY TCP4 192.0.2.1 198.51.100.2 +1 443", bad),
        ("PROXY TCP4 192.0.2.1 198.51.100.2 01 443", bad),
        ("PROXY TCP4 192.0.2.1 198.51.100.2 -1 443", bad),
        ("PROXY TCP4 192.0.2.256 198.51.100.2 1 443", bad),
        ("PROXY TCP4 2001:db8::1 ::1 1 2", bad),
        ("PROXY TCP6 192.0.2.1 198.51.100.2 1 2", bad),
        ("PROXY TCP4 example.com 198.51.100.2 1 2", bad),
        ("PROXY tcp4 192.0.2.1 198.51.100.2 1 2", bad),
        ("PROXY UDP4 192.0.2.1 198.51.100.2 1 2", bad),
        ("PROXY  TCP4 192.0.2.1 198.51.100.2 1 2", bad),
        ("PROXY UNKNOWN\rx", bad),
        ("PROXY UNKNOWN\nx", bad),
        ("PROXY UNKNOWN \u{e4}", Ok(None)),
    ] {
        let (found, length) = read(format!("{line}\r\nGET / HTTP/1.1\r\n").as_bytes());
        assert_eq!(found, expected, "{line}");
        if expected.is_ok() {
            assert_eq!(length, line.len() + 2, "{line}");
        }
    }
}

#[test]
fn a_line_has_107_bytes_at_most() {
    let line = |length: usize| {
        let mut line = "PROXY UNKNOWN ".to_owned();
        line.extend(std::iter::repeat_n('x', length - line.len() - 2));
        line + "\r\n"
    };
    assert_eq!(read(line(107).as_bytes()), (Ok(None), 107));
    let (found, length) = read(line(108).as_bytes());
    assert_eq!(found, Err(Malformed::TooLong));
    assert!(length <= 107, "{length}");
    let endless = "PROXY TCP4 ".to_owned() + &"1".repeat(10_000);
    assert_eq!(read(endless.as_bytes()).0, Err(Malformed::TooLong));
}

#[test]
fn what_is_no_header_is_told_apart_at_its_first_wrong_byte() {
    for other in [
        "GET / HTTP/1.1\r\n\r\n",
        "PROXX",
        "proxy TCP4",
        "\r\n\r\n\r\n",
        "\u{16}\u{3}\u{1}",
        "\r\n\r\n\0\r\nQUIT\r",
    ] {
        let wrong = (0..=other.len()).find_map(|end| decode(&other.as_bytes()[..end]).err());
        assert_eq!(wrong, Some(Malformed::Missing), "{other:?}");
    }
}

#[test]
fn binary_headers_are_read() {
    let six = [[0x20; 16], [0x30; 16]].concat();
    let six = [&six[..], &[0, 1, 0, 2]].concat();
    let six_told = Told {
        source: "[2020:2020:2020:2020:2020:2020:2020:2020]:1"
            .parse()
            .unwrap(),
        destination: "[3030:3030:3030:3030:3030:3030:3030:3030]:2"
            .parse()
            .unwrap(),
    };
    let unix = [0; 216];
    for (name, command, family, body, expected) in [
        ("TCP4", 0x21, 0x11, &PAIR[..], Ok(Some(pair_told()))),
        ("TCP6", 0x21, 0x21, &six[..], Ok(Some(six_told))),
        ("LOCAL", 0x20, 0x00, &[][..], Ok(None)),
        ("LOCAL with anything", 0x20, 0xff, &[1, 2, 3][..], Ok(None)),
        ("UNSPEC", 0x21, 0x00, &[][..], Ok(None)),
        ("UNSPEC with anything", 0x21, 0x00, &[9; 40][..], Ok(None)),
        ("Unix", 0x21, 0x31, &unix[..], Ok(None)),
        (
            "short Unix",
            0x21,
            0x31,
            &unix[1..],
            Err(Malformed::TooShort),
        ),
        (
            "short TCP4",
            0x21,
            0x11,
            &PAIR[1..],
            Err(Malformed::TooShort),
        ),
        (
            "short TCP6",
            0x21,
            0x21,
            &six[1..],
            Err(Malformed::TooShort),
        ),
        ("UDP4", 0x21, 0x12, &PAIR[..], Err(Malformed::Family)),
        (
            "reserved family",
            0x21,
            0x41,
            &PAIR[..],
            Err(Malformed::Family),
        ),
        ("version 1", 0x11, 0x11, &PAIR[..], Err(Malformed::Version)),
        ("version 3", 0x31, 0x11, &PAIR[..], Err(Malformed::Version)),
        ("command 2", 0x22, 0x11, &PAIR[..], Err(Malformed::Command)),
    ] {
        let header = binary_header(command, family, body);
        let (found, length) = read(&[&header[..], b"\x16\x03\x01"].concat());
        assert_eq!(found, expected, "{name}");
        if expected.is_ok() {
            assert_eq!(length, header.len(), "{name}");
        }
    }
}

#[test]
fn extensions_must_fit_and_their_checksum_must_hold() {
    let fits = [0x01, 0, 2, b'h', b'2', 0x04, 0, 0, 0xee, 0, 1, 9];
    assert_eq!(read(&with_extensions(&fits, None)).0, Ok(Some(pair_told())));
    let summed = [0x01, 0, 1, b'x', CHECKSUM, 0, 4, 0, 0, 0, 0, 0x04, 0, 0];
    let good = with_extensions(&summed, Some(7));
    assert_eq!(read(&good).0, Ok(Some(pair_told())));
    let mut forged = good;
    forged[16] ^= 1;
    assert_eq!(read(&forged).0, Err(Malformed::Checksum));
    for bad in [
        &[0x01][..],
        &[0x01, 0],
        &[0x01, 0, 2, 9],
        &[CHECKSUM, 0, 1, 9],
    ] {
        assert_eq!(
            read(&with_extensions(bad, None)).0,
            Err(Malformed::Extensions),
            "{bad:?}"
        );
    }
}

#[test]
fn a_long_header_is_refused_by_its_length_alone() {
    let mut header = binary_header(0x21, 0x11, &[]);
    header[14..16].copy_from_slice(&u16::MAX.to_be_bytes());
    assert_eq!(decode(&header), Err(Malformed::TooLong));
    let longest = LONGEST - FIXED;
    header[14..16].copy_from_slice(&u16::try_from(longest).unwrap().to_be_bytes());
    assert_eq!(decode(&header), Ok(Progress::More(longest)));
}

fn address() -> impl Strategy<Value = SocketAddr> {
    let four = any::<([u8; 4], u16)>().prop_map(SocketAddr::from);
    let six = any::<([u16; 8], u16)>().prop_map(SocketAddr::from);
    prop_oneof![four, six]
}

proptest! {
    #[test]
    fn what_we_write_is_read_and_nothing_behind_it(
        source in address(), destination in address(), binary: bool,
        behind in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let version = if binary { ProxyProtocol::V2 } else { ProxyProtocol::V1 };
        let header = encode(version, source, destination);
        let (told, length) = read(&[&header[..], &behind].concat());
        let told = told.unwrap().unwrap();
        let plain = |address: SocketAddr| (address.ip().to_canonical(), address.port());
        prop_assert_eq!(plain(told.source), plain(source));
        prop_assert_eq!(plain(told.destination), plain(destination));
        prop_assert_eq!(length, header.len());
        for end in 0..header.len() {
            prop_assert!(matches!(decode(&header[..end]), Ok(Progress::More(_))));
        }
    }

    #[test]
    fn any_bytes_are_survived(
        begin in prop::sample::select(vec![&b""[..], b"PROXY ", b"PROXY TCP4 ", &SIGNATURE]),
        rest in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let bytes = [begin, &rest].concat();
        let _ = decode(&bytes);
        let (_, length) = read(&bytes);
        prop_assert!(length <= bytes.len());
    }
}
