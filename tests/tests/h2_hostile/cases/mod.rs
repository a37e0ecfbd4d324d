//! The cases, by what they are about. All are of our own making, from RFC 9113 and RFC 7541.

mod compression;
mod extended;
mod fields;
mod framing;
mod heads;
mod settings;
mod streams;

use super::case::Case;
use super::frames::{END_HEADERS, HEADERS, WHOLE, frame};
use super::hpack;

/// All cases.
pub(crate) fn all() -> Vec<Case> {
    let mut all = framing::cases();
    all.extend(settings::cases());
    all.extend(streams::cases());
    all.extend(heads::cases());
    all.extend(fields::cases());
    all.extend(extended::cases());
    all.extend(compression::cases());
    all
}

type Field<'a> = (&'a [u8], &'a [u8]);

/// The pseudo fields of a request for `/hostile`.
const PSEUDO: [Field<'static>; 4] = [
    (b":method", b"GET"),
    (b":scheme", b"http"),
    (b":path", b"/hostile"),
    (b":authority", b"t.test"),
];

/// A block with these pseudo fields in place of the usual, and these fields behind.
fn block(pseudo: &[Field<'_>], more: &[Field<'_>]) -> Vec<u8> {
    [hpack::block(pseudo), hpack::block(more)].concat()
}

/// The usual pseudo fields, with one replaced, or left out where there is no value.
fn with(name: &'static [u8], value: Option<&'static [u8]>) -> Vec<Field<'static>> {
    let mut pseudo = PSEUDO.to_vec();
    match value {
        Some(value) => pseudo
            .iter_mut()
            .filter(|field| field.0 == name)
            .for_each(|field| field.1 = value),
        None => pseudo.retain(|field| field.0 != name),
    }
    pseudo
}

/// A whole request on stream 1 with these pseudo fields.
fn request(pseudo: &[Field<'_>]) -> Vec<u8> {
    frame(HEADERS, WHOLE, 1, hpack::block(pseudo))
}

/// A whole request on stream 1 with these further fields.
fn get(more: &[Field<'_>]) -> Vec<u8> {
    frame(HEADERS, WHOLE, 1, block(&PSEUDO, more))
}

/// The head of a request with a body on stream 1, with these further fields.
fn post(more: &[Field<'_>]) -> Vec<u8> {
    post_on(1, more)
}

fn post_on(stream: u32, more: &[Field<'_>]) -> Vec<u8> {
    let pseudo = with(b":method", Some(b"POST"));
    frame(HEADERS, END_HEADERS, stream, block(&pseudo, more))
}
