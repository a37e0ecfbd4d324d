//! The request target: normalised once, so that routing, policy and the node see the same path.

use std::fmt::Write;

/// A target in origin form, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Decoded path: dot segments resolved, slashes merged. Always begins with `/`.
    pub path: String,
    /// Query without `?`, as received.
    pub query: Option<String>,
}

impl Target {
    /// The target of a request about the server as a whole (`OPTIONS *`).
    #[must_use]
    pub fn asterisk() -> Self {
        Self {
            path: "*".to_owned(),
            query: None,
        }
    }

    /// The root, without query.
    #[must_use]
    pub fn root() -> Self {
        Self {
            path: "/".to_owned(),
            query: None,
        }
    }
}

/// Why a target is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    /// `%` without two hexadecimal digits.
    #[error("percent sequence is not complete")]
    Percent,
    /// NUL or another control character, plain or encoded.
    #[error("path has a control character")]
    Control,
    /// The decoded path is not UTF-8.
    #[error("path is not UTF-8")]
    Encoding,
    /// More `..` than segments.
    #[error("path leaves the root")]
    AboveRoot,
    /// Does not begin with `/`.
    #[error("target is not in origin form")]
    Form,
}

/// Normalises a path and keeps the query as it is.
///
/// # Errors
/// Why the target is refused.
pub fn normalise(path: &str, query: Option<&str>) -> Result<Target, BadTarget> {
    if !path.starts_with('/') {
        return Err(BadTarget::Form);
    }
    if query.is_some_and(|query| query.bytes().any(|byte| byte.is_ascii_control())) {
        return Err(BadTarget::Control);
    }
    let path = if is_plain(path) {
        path.to_owned()
    } else {
        resolve(&decode(path)?)?
    };
    Ok(Target {
        path,
        query: query.map(str::to_owned),
    })
}

/// Whether nothing has to be done: no percent, no control, no empty or dot segment.
fn is_plain(path: &str) -> bool {
    let mut previous = 0;
    for byte in path.bytes() {
        if byte == b'%'
            || byte.is_ascii_control()
            || (previous == b'/' && matches!(byte, b'/' | b'.'))
        {
            return false;
        }
        previous = byte;
    }
    true
}

fn decode(path: &str) -> Result<String, BadTarget> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        let byte = if byte == b'%' {
            let high = bytes.next().and_then(hex).ok_or(BadTarget::Percent)?;
            let low = bytes.next().and_then(hex).ok_or(BadTarget::Percent)?;
            high * 16 + low
        } else {
            byte
        };
        if byte.is_ascii_control() {
            return Err(BadTarget::Control);
        }
        decoded.push(byte);
    }
    String::from_utf8(decoded).map_err(|_| BadTarget::Encoding)
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// Merges slashes and resolves `.` and `..`; a trailing slash stays.
fn resolve(path: &str) -> Result<String, BadTarget> {
    let mut segments: Vec<&str> = Vec::new();
    let mut open = false;
    for segment in path.split('/').skip(1) {
        open = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop().ok_or(BadTarget::AboveRoot)?;
            }
            _ => segments.push(segment),
        }
    }
    let mut resolved = String::with_capacity(path.len());
    for segment in &segments {
        resolved.push('/');
        resolved.push_str(segment);
    }
    if open || segments.is_empty() {
        resolved.push('/');
    }
    Ok(resolved)
}

/// Appends a decoded path, percent-encoded for the request line.
pub fn encode_path(path: &str, out: &mut String) {
    if path.bytes().all(is_sent_plain) {
        out.push_str(path);
        return;
    }
    for byte in path.bytes() {
        if is_sent_plain(byte) {
            out.push(char::from(byte));
        } else {
            // Writing into memory cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// Characters of `pchar` and `/` (RFC 3986 section 3.3).
const fn is_sent_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'/' | b'-'
                | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
                | b':'
                | b'@'
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(raw: &str) -> Result<String, BadTarget> {
        normalise(raw, None).map(|target| target.path)
    }

    #[test]
    fn dot_segments_and_slashes_are_resolved() {
        for (raw, expected) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("//a///b//", "/a/b/"),
            ("/a/b/..", "/a/"),
            ("/a/.", "/a/"),
            ("/a/%2e%2e/b", "/b"),
            ("/a%2F..%2Fb", "/b"),
            ("/.hidden", "/.hidden"),
            ("/a..b/...", "/a..b/..."),
            ("/caf%C3%A9", "/café"),
            ("/a%20b", "/a b"),
            ("/%2541", "/%41"),
        ] {
            assert_eq!(path(raw).as_deref(), Ok(expected), "{raw}");
        }
    }

    #[test]
    fn dangerous_targets_are_refused() {
        for (raw, expected) in [
            ("/%00", BadTarget::Control),
            ("/a%0d%0aX", BadTarget::Control),
            ("/%zz", BadTarget::Percent),
            ("/%4", BadTarget::Percent),
            ("/..", BadTarget::AboveRoot),
            ("/a/../../b", BadTarget::AboveRoot),
            ("/%ff", BadTarget::Encoding),
            ("*", BadTarget::Form),
        ] {
            assert_eq!(path(raw), Err(expected), "{raw}");
        }
    }

    proptest! {
        /// What the node receives reads back as what was routed.
        #[test]
        fn encoded_path_normalises_to_itself(raw in "(/[a-zA-Z0-9 .%é?#;:-]{0,6}){1,6}") {
            if let Ok(first) = path(&raw) {
                let mut encoded = String::new();
                encode_path(&first, &mut encoded);
                prop_assert!(encoded.is_ascii());
                prop_assert_eq!(path(&encoded), Ok(first));
            }
        }
    }
}
