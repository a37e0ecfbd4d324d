//! What a request over HTTP/2 must not be, beyond what the h2 crate refuses itself: that resets
//! streams whose pseudo fields are missing, repeated, unknown or late, whose names are not in lower
//! case, that have fields of a connection, or whose length is not the one they told.

use http::header::{self, HeaderMap};
use http::request::Parts;

use crate::error::Reason;

/// Why a request is refused (RFC 9113 section 8).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Neither `http` nor `https`.
    #[error("`:scheme` must be http or https, got {0:?}")]
    Scheme(String),
    /// Not in origin form, nor an asterisk.
    #[error("`:path` must begin with a slash, got {0:?}")]
    Path(String),
    /// Blanks belong to no value (RFC 9113 section 8.2.1).
    #[error("the value of field `{0}` begins or ends with a blank")]
    Blank(String),
    /// The `http` crate takes quotes in names, which RFC 9110 section 5.1 does not.
    #[error("`{0}` is no name of a field")]
    Name(String),
    /// Another than the one that there is (RFC 9110 section 10.1.1).
    #[error("`expect` must be 100-continue, got {0:?}")]
    Expectation(String),
    /// More fields than are taken; the pieces of a Cookie are one field.
    #[error("a head may have {limit} fields, got {got}")]
    Fields {
        /// How many there may be.
        limit: usize,
        /// How many there are.
        got: usize,
    },
}

impl Fault {
    /// What the client is told.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Scheme(_) | Self::Path(_) | Self::Blank(_) | Self::Name(_) => Reason::BadRequest,
            Self::Expectation(_) => Reason::ExpectationFailed,
            Self::Fields { .. } => Reason::HeadTooLarge,
        }
    }
}

/// Checks a head that may have `limit` fields.
///
/// # Errors
/// The first rule that it breaks.
pub fn check(parts: &Parts, limit: usize) -> Result<(), Fault> {
    if let Some(scheme) = parts.uri.scheme_str()
        && !matches!(scheme, "http" | "https")
    {
        return Err(Fault::Scheme(scheme.to_owned()));
    }
    if let Some(path) = parts.uri.path_and_query()
        && !path.as_str().starts_with('/')
        && path != "*"
    {
        return Err(Fault::Path(path.as_str().to_owned()));
    }
    let got = fields(&parts.headers);
    if got > limit {
        return Err(Fault::Fields { limit, got });
    }
    for expected in parts.headers.get_all(header::EXPECT) {
        if !expected.as_bytes().eq_ignore_ascii_case(b"100-continue") {
            let text = String::from_utf8_lossy(expected.as_bytes());
            return Err(Fault::Expectation(text.into_owned()));
        }
    }
    check_fields(&parts.headers)
}

/// Checks fields of a head, or trailers.
///
/// # Errors
/// The first rule that one breaks.
pub fn check_fields(headers: &HeaderMap) -> Result<(), Fault> {
    let blank = |byte: Option<&u8>| byte.is_some_and(|byte| matches!(byte, b' ' | b'\t'));
    for (name, value) in headers {
        let name = name.as_str();
        let value = value.as_bytes();
        if name.contains('"') {
            return Err(Fault::Name(name.to_owned()));
        }
        if blank(value.first()) || blank(value.last()) {
            return Err(Fault::Blank(name.to_owned()));
        }
    }
    Ok(())
}

/// How many fields there are, once the pieces of the Cookie are joined.
fn fields(headers: &HeaderMap) -> usize {
    let pieces = headers.get_all(header::COOKIE).iter().count();
    headers.len() - pieces.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue, Request};

    fn parts(uri: &str, fields: &[(&'static str, &str)]) -> Parts {
        let mut parts = Request::get(uri).body(()).unwrap().into_parts().0;
        for (name, value) in fields {
            let value = HeaderValue::from_str(value).unwrap();
            // As the h2 crate makes them.
            let name = HeaderName::from_lowercase(name.as_bytes()).unwrap();
            parts.headers.append(name, value);
        }
        parts
    }

    #[test]
    fn each_rule_is_told_apart() {
        for (uri, fields, expected) in [
            ("http://a/", &[("x-a", "1"), ("x-empty", "")][..], None),
            ("https://a/", &[("x-a", "one two")], None),
            (
                "ftp://a/",
                &[],
                Some("`:scheme` must be http or https, got \"ftp\""),
            ),
            (
                "http://a/",
                &[("x-a", " 1")],
                Some("the value of field `x-a` begins or ends with a blank"),
            ),
            (
                "http://a/",
                &[("x-a", "1\t")],
                Some("the value of field `x-a` begins or ends with a blank"),
            ),
            ("http://a/", &[("expect", "100-Continue")], None),
            (
                "http://a/",
                &[("expect", "200-ok")],
                Some("`expect` must be 100-continue, got \"200-ok\""),
            ),
            (
                "http://a/",
                &[("x\"", "1")],
                Some("`x\"` is no name of a field"),
            ),
            (
                "http://a/",
                &[("x-a", "1"), ("x-a", "2"), ("x-b", "3")],
                Some("a head may have 2 fields, got 3"),
            ),
            (
                "http://a/",
                &[("cookie", "a=1"), ("cookie", "b=2"), ("x-b", "3")],
                None,
            ),
        ] {
            let found = check(&parts(uri, fields), 2).err();
            assert_eq!(
                found.map(|fault| fault.to_string()).as_deref(),
                expected,
                "{uri} {fields:?}"
            );
        }
    }

    #[test]
    fn path_begins_with_a_slash() {
        for (path, good) in [("?a=b", false), ("*", true), ("/a?b", true)] {
            let mut parts = parts("http://a/", &[]);
            let path = http::uri::PathAndQuery::try_from(path).unwrap();
            parts.uri = http::Uri::from(path);
            assert_eq!(check(&parts, 2).is_ok(), good, "{:?}", parts.uri);
        }
    }

    #[test]
    fn too_many_fields_are_431() {
        let fault = Fault::Fields { limit: 1, got: 2 };
        assert_eq!(fault.reason(), Reason::HeadTooLarge);
        assert_eq!(Fault::Scheme("x".to_owned()).reason(), Reason::BadRequest);
    }
}
