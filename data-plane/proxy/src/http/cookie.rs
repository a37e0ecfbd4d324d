//! The Cookie field over HTTP/2.

use http::header::{self, HeaderMap, HeaderValue};

/// Joins the pieces into which HTTP/2 clients split the Cookie field, since nothing behind this
/// gateway need know how to (RFC 9113 section 8.2.3).
pub fn join(headers: &mut HeaderMap) {
    let pieces = headers.get_all(header::COOKIE);
    if pieces.iter().nth(1).is_none() {
        return;
    }
    let pieces: Vec<&[u8]> = pieces.iter().map(HeaderValue::as_bytes).collect();
    // Values that were valid each are valid together.
    if let Ok(joined) = HeaderValue::from_bytes(&pieces.join(&b"; "[..])) {
        headers.insert(header::COOKIE, joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_one_field_and_one_stays_as_it_is() {
        let mut headers = HeaderMap::new();
        join(&mut headers);
        assert!(headers.is_empty());
        for piece in ["a=1", "b=2; c=3"] {
            headers.append(header::COOKIE, HeaderValue::from_static(piece));
        }
        join(&mut headers);
        let all: Vec<&HeaderValue> = headers.get_all(header::COOKIE).iter().collect();
        assert_eq!(all, ["a=1; b=2; c=3"]);
        join(&mut headers);
        assert_eq!(headers.len(), 1);
    }
}
