//! Header blocks as bytes, right or wrong (RFC 7541), and the status in an answer's.

/// An integer with a prefix of `bits`, whose other bits are `first`.
pub(crate) fn integer(first: u8, bits: u32, value: usize) -> Vec<u8> {
    let most = (1_usize << bits) - 1;
    if value < most {
        return vec![first | value as u8];
    }
    let mut bytes = vec![first | most as u8];
    let mut rest = value - most;
    while rest >= 128 {
        bytes.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    bytes.push(rest as u8);
    bytes
}

/// A string without Huffman coding.
pub(crate) fn string(text: &[u8]) -> Vec<u8> {
    [integer(0, 7, text.len()), text.to_vec()].concat()
}

/// A field that no table keeps.
pub(crate) fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    [vec![0], string(name), string(value)].concat()
}

/// A field that the table keeps.
pub(crate) fn indexing(name: &[u8], value: &[u8]) -> Vec<u8> {
    [vec![0x40], string(name), string(value)].concat()
}

/// A block of fields that no table keeps.
pub(crate) fn block(fields: &[(&[u8], &[u8])]) -> Vec<u8> {
    fields
        .iter()
        .flat_map(|(name, value)| literal(name, value))
        .collect()
}

/// The status that the first block of a connection begins with.
pub(crate) fn status(block: &[u8]) -> u16 {
    const KNOWN: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    let mut rest = block;
    // Sizes of the table may come first.
    while rest.first().is_some_and(|byte| byte & 0xe0 == 0x20) {
        rest = &rest[1..];
    }
    let first = rest[0];
    if (0x88..=0x8e).contains(&first) {
        return KNOWN[usize::from(first - 0x88)];
    }
    assert!(
        matches!(first, 0x48 | 0x08 | 0x18),
        "no status: {block:02x?}"
    );
    let size = usize::from(rest[1] & 0x7f);
    let text = &rest[2..2 + size];
    if rest[1] & 0x80 == 0 {
        return std::str::from_utf8(text).unwrap().parse().unwrap();
    }
    huffman_digits(text)
}

/// Three digits: `0`, `1` and `2` take five bits, the others six (RFC 7541 appendix B).
fn huffman_digits(text: &[u8]) -> u16 {
    let bits: Vec<u8> = text
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
        .collect();
    let (mut at, mut number) = (0, 0);
    for _ in 0..3 {
        let five = bits[at..at + 5]
            .iter()
            .fold(0_u16, |sum, bit| sum * 2 + u16::from(*bit));
        let digit = if five < 3 {
            at += 5;
            five
        } else {
            let six = five * 2 + u16::from(bits[at + 5]);
            at += 6;
            six - 0b01_1001 + 3
        };
        number = number * 10 + digit;
    }
    number
}

#[test]
fn status_is_read_however_it_is_coded() {
    assert_eq!(status(&[0x88]), 200);
    assert_eq!(status(&[0x3f - 0x1f, 0x8d]), 404);
    assert_eq!(status(b"\x48\x03503"), 503);
    // 431 and 302, from the appendices.
    assert_eq!(status(&[0x48, 0x82, 0x64, 0x02]), 302);
    assert_eq!(
        status(&[0x48, 0x83, 0b0110_1001, 0b1001_0000, 0b1111_1111]),
        431
    );
}
