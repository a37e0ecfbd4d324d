//! Hop-by-hop fields: what belongs to one connection and never goes on (RFC 9110 section 7.6.1).

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Whether a field is hop-by-hop whatever `Connection` says.
#[must_use]
pub fn is_hop_by_hop(name: &HeaderName) -> bool {
    // By length first: most names are decided by one comparison.
    match name.as_str().len() {
        2 => name == header::TE,
        7 => name == header::UPGRADE,
        10 => name == header::CONNECTION || name.as_str() == "keep-alive",
        16 => name.as_str() == "proxy-connection",
        17 => name == header::TRANSFER_ENCODING,
        _ => false,
    }
}

/// Calls `found` for each comma-separated token of a field value, without surrounding blanks.
pub fn each_token(value: &[u8], mut found: impl FnMut(&[u8])) {
    for token in value.split(|byte| *byte == b',') {
        let token = token.trim_ascii();
        if !token.is_empty() {
            found(token);
        }
    }
}

/// Removes every hop-by-hop field from `headers`, those that `Connection` names included. Of `TE`
/// stays, as our own word, that trailers are welcome: we pass them on.
pub fn remove_all(headers: &mut HeaderMap) {
    // Most heads have none, and one look at the names takes less than a search for each of them.
    if !headers.keys().any(is_hop_by_hop) {
        return;
    }
    let trailers = accepts_trailers(headers);
    if headers.contains_key(header::CONNECTION) {
        let mut named = Vec::new();
        for value in headers.get_all(header::CONNECTION) {
            each_token(value.as_bytes(), |token| {
                named.extend(HeaderName::from_bytes(token));
            });
        }
        remove_named(headers, &named);
        headers.remove(header::CONNECTION);
    }
    headers.remove(header::TE);
    headers.remove(header::UPGRADE);
    headers.remove(header::TRANSFER_ENCODING);
    headers.remove("keep-alive");
    headers.remove("proxy-connection");
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
}

/// Whether `TE` says that trailers are welcome.
#[must_use]
pub fn accepts_trailers(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::TE).iter();
    values.any(|value| says_trailers(value.as_bytes()))
}

/// Whether this value of `TE` says so.
#[must_use]
pub fn says_trailers(value: &[u8]) -> bool {
    let mut says = false;
    each_token(value, |token| {
        says |= token.eq_ignore_ascii_case(b"trailers");
    });
    says
}

/// Removes fields that `Connection` named, save those that say where the message goes and ends.
/// It runs before anything of ours is added, so a sender cannot take away what the gateway sets.
pub fn remove_named(headers: &mut HeaderMap, named: &[HeaderName]) {
    for name in named {
        if name != header::HOST && name != header::CONTENT_LENGTH {
            headers.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn fields_named_by_connection_are_removed() {
        let mut headers = map(&[
            ("connection", "close, X-Secret"),
            ("connection", "x-other"),
            ("x-secret", "1"),
            ("x-other", "1"),
            ("x-kept", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "gzip, deflate;q=0.5"),
            ("upgrade", "websocket"),
            ("proxy-connection", "keep-alive"),
        ]);
        remove_all(&mut headers);
        assert_eq!(headers, map(&[("x-kept", "1")]));
    }

    #[test]
    fn of_te_only_the_word_for_trailers_stays() {
        let mut headers = map(&[("connection", "te"), ("te", "gzip, Trailers")]);
        remove_all(&mut headers);
        assert_eq!(headers, map(&[("te", "trailers")]));
    }

    #[test]
    fn connection_cannot_take_away_host_and_framing() {
        let mut headers = map(&[
            ("connection", "host, content-length, x-gone"),
            ("host", "h"),
            ("content-length", "3"),
            ("x-gone", "1"),
        ]);
        remove_all(&mut headers);
        assert_eq!(headers, map(&[("host", "h"), ("content-length", "3")]));
    }
}
