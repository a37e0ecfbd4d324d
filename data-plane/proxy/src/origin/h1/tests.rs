//! Laws of the parser and of the framing, and the refusals one by one.

use bytes::{Bytes, BytesMut};
use http::Method;
use proptest::prelude::*;

use super::parse::{self, Asked, BadHead, CHUNKED, Head};
use crate::h1::body::{self, BadBody, Decoded, Decoder};
use crate::h1::scan::Scanner;

/// Feeds `input` in pieces of these sizes, as a connection would.
fn head_in_pieces(input: &[u8], sizes: &[usize]) -> Result<Option<(Head, BytesMut)>, BadHead> {
    let mut buffer = BytesMut::new();
    let mut scanner = Scanner::default();
    for piece in pieces(input, sizes) {
        buffer.extend_from_slice(piece);
        while let Some(size) = parse::find_end(&mut scanner, &buffer)? {
            scanner = Scanner::default();
            let asked = Asked {
                method: Method::GET,
                accept: None,
            };
            let head = parse::take_head(&mut buffer, size, &asked)?;
            if !head.status.is_informational() {
                return Ok(Some((head, buffer)));
            }
        }
    }
    Ok(None)
}

fn pieces<'i>(mut input: &'i [u8], sizes: &[usize]) -> Vec<&'i [u8]> {
    let mut pieces = Vec::new();
    let mut sizes = sizes.iter().cycle();
    while !input.is_empty() {
        let size = sizes
            .next()
            .map_or(input.len(), |size| (*size).clamp(1, input.len()));
        let (piece, rest) = input.split_at(size);
        pieces.push(piece);
        input = rest;
    }
    pieces
}

fn body_in_pieces(
    mut decoder: Decoder,
    input: &[u8],
    sizes: &[usize],
) -> Result<(Vec<u8>, bool), BadBody> {
    let mut buffer = BytesMut::new();
    let mut body = Vec::new();
    for piece in pieces(input, sizes) {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut buffer)? {
                Decoded::Data(data) => {
                    assert!(!data.is_empty());
                    body.extend_from_slice(&data);
                }
                Decoded::More => break,
                Decoded::End => return Ok((body, true)),
            }
        }
    }
    Ok((body, decoder.is_done()))
}

fn parsed(input: &str) -> Head {
    head_in_pieces(input.as_bytes(), &[usize::MAX])
        .unwrap()
        .unwrap()
        .0
}

#[test]
fn framing_follows_the_fields() {
    let length = parsed("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n");
    assert_eq!((length.length, length.persistent), (Some(5), true));
    let same = parsed("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(same.headers.get_all("content-length").iter().count(), 1);
    let chunked = parsed("HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n");
    assert_eq!((chunked.length, chunked.persistent), (None, true));
    assert!(!chunked.headers.contains_key("transfer-encoding"));
    let close = parsed("HTTP/1.1 200 OK\r\n\r\n");
    assert!(close.body.ends_with_connection() && !close.persistent);
    assert!(
        !parsed("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: Close\r\n\r\n").persistent
    );
    assert!(!parsed("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n").persistent);
    assert!(
        parsed("HTTP/1.0 200 OK\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n").persistent
    );
    let empty = parsed("HTTP/1.1 204 No\r\ncontent-length: 5\r\n\r\n");
    assert!(empty.body.is_done() && !empty.headers.contains_key("content-length"));
}

#[test]
fn interim_answers_are_passed_over() {
    assert_eq!(
        parsed("HTTP/1.1 103 E\r\nlink: x\r\n\r\nHTTP/1.1 201 C\r\n\r\n").status,
        201
    );
}

#[test]
fn heads_out_of_bounds_are_refused() {
    let large = format!(
        "HTTP/1.1 200 OK\r\nx: {}\r\n\r\n",
        "a".repeat(parse::MAX_HEAD)
    );
    assert_eq!(
        head_in_pieces(large.as_bytes(), &[1000]).unwrap_err(),
        BadHead::TooLarge
    );
    let many = format!(
        "HTTP/1.1 200 OK\r\n{}\r\n",
        "x: 1\r\n".repeat(parse::MAX_FIELDS + 1)
    );
    assert_eq!(
        head_in_pieces(many.as_bytes(), &[1000]).unwrap_err(),
        BadHead::TooManyFields
    );
}

#[test]
fn malformed_chunks_are_refused() {
    for (input, expected) in [
        ("\r\n", BadBody::Chunk),
        ("g\r\n", BadBody::Chunk),
        ("-1\r\n", BadBody::Chunk),
        ("+1\r\nx\r\n", BadBody::Chunk),
        ("0x1\r\nx\r\n", BadBody::Chunk),
        ("1\nx\r\n", BadBody::Chunk),
        (" 1\r\nx\r\n", BadBody::Chunk),
        ("1 \r\nx\r\n", BadBody::Chunk),
        ("1 ;a\r\nx\r\n", BadBody::Chunk),
        ("1;a\x01\r\nx\r\n", BadBody::Chunk),
        ("1;a\rb\r\nx\r\n", BadBody::Chunk),
        ("1;\r\nx\r\n", BadBody::Chunk),
        ("1;=b\r\nx\r\n", BadBody::Chunk),
        ("1;a=\r\nx\r\n", BadBody::Chunk),
        ("1;a=\"b\r\nx\r\n", BadBody::Chunk),
        ("1;a b\r\nx\r\n", BadBody::Chunk),
        ("1\r\nx\r\n\r\n", BadBody::Chunk),
        ("0\r\nx : 1\r\n\r\n", BadBody::Trailers),
        ("0\r\n x: 1\r\n\r\n", BadBody::Trailers),
        ("0\r\nx\r\n\r\n", BadBody::Trailers),
        ("0\r\nx: a\rb\r\n\r\n", BadBody::Chunk),
        ("1\r\nxy\r\n", BadBody::Chunk),
        ("1\r\nx\n", BadBody::Chunk),
        ("1;a\nx\r\n", BadBody::Chunk),
        ("ffffffffffffffff\r\n", BadBody::Chunk),
        ("0\r\n\n", BadBody::Chunk),
        ("0\r\nx: 1\n\r\n", BadBody::Chunk),
    ] {
        let result = body_in_pieces(Decoder::chunked(CHUNKED), input.as_bytes(), &[1]);
        assert_eq!(result, Err(expected), "{input:?}");
    }
    for (endless, expected) in [
        (format!("1;{}", "a".repeat(20_000)), BadBody::Extension),
        (format!("0\r\nx: {}", "a".repeat(20_000)), BadBody::TooLarge),
        (
            format!("0\r\n{}\r\n", "x:\r\n".repeat(65)),
            BadBody::TooLarge,
        ),
    ] {
        let result = body_in_pieces(Decoder::chunked(CHUNKED), endless.as_bytes(), &[4096]);
        assert_eq!(result, Err(expected));
    }
    // The bound is for each chunk.
    let many = "1;aaaa\r\nx\r\n".repeat(2000);
    let result = body_in_pieces(Decoder::chunked(CHUNKED), many.as_bytes(), &[4096]);
    assert_eq!(result.unwrap().0.len(), 2000);
    // In all they may be many beside much data, and few beside little.
    let little = "1;aaaaaaaaaa\r\nx\r\n".repeat(2000);
    let result = body_in_pieces(Decoder::chunked(CHUNKED), little.as_bytes(), &[4096]);
    assert_eq!(result, Err(BadBody::Extension));
    let much = format!("2000;s={}\r\n{}\r\n", "a".repeat(64), "x".repeat(0x2000)).repeat(500);
    let result = body_in_pieces(Decoder::chunked(CHUNKED), much.as_bytes(), &[4096]);
    assert_eq!(result.unwrap().0.len(), 500 * 0x2000);
}

#[test]
fn end_of_stream_is_an_end_only_without_other_framing() {
    assert_eq!(Decoder::until_close().end_of_stream(), Ok(()));
    assert_eq!(Decoder::length(1).end_of_stream(), Err(BadBody::Early));
    assert_eq!(
        Decoder::chunked(CHUNKED).end_of_stream(),
        Err(BadBody::Early)
    );
}

/// Bytes that look like answers often enough to get deep into the parser.
fn nearly_an_answer() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        Just(b"HTTP/1.1 200 OK\r\n".to_vec()),
        Just(b"HTTP/1.0 404 \r\n".to_vec()),
        Just(b"content-length: 5\r\n".to_vec()),
        Just(b"transfer-encoding: chunked\r\n".to_vec()),
        Just(b"connection: close, x-a\r\n".to_vec()),
        Just(b"x-a: 1\r\n".to_vec()),
        Just(b"\r\n".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..12),
    ];
    proptest::collection::vec(part, 0..10).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn head_does_not_depend_on_the_pieces(
        input in nearly_an_answer(),
        sizes in proptest::collection::vec(1usize..20, 1..8),
    ) {
        let whole = head_in_pieces(&input, &[usize::MAX]);
        let split = head_in_pieces(&input, &sizes);
        match (whole, split) {
            (Ok(Some((whole, _))), Ok(Some((split, _)))) => {
                prop_assert_eq!(whole.status, split.status);
                prop_assert_eq!(whole.headers, split.headers);
                prop_assert_eq!(whole.body, split.body);
                prop_assert_eq!(whole.size, split.size);
            }
            (whole, split) => {
                let kind = |result: Result<Option<(Head, BytesMut)>, BadHead>| result.map(|head| head.is_some());
                prop_assert_eq!(kind(whole), kind(split));
            }
        }
    }

    #[test]
    fn chunked_body_reads_back_whatever_the_pieces(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..300), 0..8),
        sizes in proptest::collection::vec(1usize..50, 1..8),
    ) {
        let mut encoded = BytesMut::new();
        for chunk in &chunks {
            body::put_chunk_size(chunk.len(), &mut encoded);
            encoded.extend_from_slice(chunk);
            encoded.extend_from_slice(b"\r\n");
        }
        body::put_last_chunk(None, &mut encoded);
        let decoded = body_in_pieces(Decoder::chunked(CHUNKED), &encoded, &sizes);
        prop_assert_eq!(decoded, Ok((chunks.concat(), true)));
    }

    #[test]
    fn any_bytes_decode_alike_in_any_pieces(
        input in proptest::collection::vec(prop_oneof![
            any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b'1'), Just(b'0'), Just(b';')
        ], 0..60),
        sizes in proptest::collection::vec(1usize..7, 1..5),
    ) {
        let whole = body_in_pieces(Decoder::chunked(CHUNKED), &input, &[usize::MAX]);
        let split = body_in_pieces(Decoder::chunked(CHUNKED), &input, &sizes);
        prop_assert_eq!(whole, split);
    }

    #[test]
    fn body_of_a_length_takes_exactly_that(
        length in 0u64..200,
        input in proptest::collection::vec(any::<u8>(), 0..300),
        sizes in proptest::collection::vec(1usize..50, 1..5),
    ) {
        let (body, done) = body_in_pieces(Decoder::length(length), &input, &sizes).unwrap();
        let taken = input.len().min(usize::try_from(length).unwrap());
        prop_assert_eq!(Bytes::from(body), Bytes::copy_from_slice(&input[..taken]));
        prop_assert_eq!(done, input.len() as u64 >= length);
    }
}
