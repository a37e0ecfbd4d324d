//! The request target: normalised once, so that routing, policy and the node see the same path.

use std::fmt::Write;

/// Static switches of how paths are read, named as in APISIX's `config.yaml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PathRules {
    /// `normalize_uri_like_servlet`: `;params` of a segment are not part of the path. The node gets
    /// them all the same.
    pub servlet: bool,
    /// `match_uri_encoded_slash`: routes are matched with `%2F` kept, as part of its segment.
    pub encoded_slash: bool,
}

/// A target in origin form, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Decoded path: dot segments resolved, slashes merged. Always begins with `/`.
    pub path: String,
    /// The path that routes are matched with, when it is another one.
    pub routed: Option<String>,
    /// Path and query for the node, encoded, when they are not those of `path`.
    pub sent: Option<String>,
    /// Query without `?`, as received.
    pub query: Option<String>,
}

impl Target {
    /// The target of a request about the server as a whole (`OPTIONS *`).
    #[must_use]
    pub fn asterisk() -> Self {
        Self {
            path: "*".to_owned(),
            routed: None,
            sent: None,
            query: None,
        }
    }

    /// The root, without query.
    #[must_use]
    pub fn root() -> Self {
        Self {
            path: "/".to_owned(),
            routed: None,
            sent: None,
            query: None,
        }
    }
}

/// Why a target is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.as_str())]
pub enum BadTarget {
    /// `%` without two hexadecimal digits.
    Percent,
    /// NUL or another control character, plain or encoded.
    Control,
    /// The decoded path is not UTF-8.
    Encoding,
    /// More `..` than segments.
    AboveRoot,
    /// Parameters behind a dot or empty segment, which servlets and others read differently.
    Parameters,
    /// Does not begin with `/`.
    Form,
}

impl BadTarget {
    /// The rule that is broken.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Percent => "percent sequence is not complete",
            Self::Control => "path has a control character",
            Self::Encoding => "path is not UTF-8",
            Self::AboveRoot => "path leaves the root",
            Self::Parameters => "segment with parameters is empty or a dot segment",
            Self::Form => "target is not in origin form",
        }
    }
}

/// Normalises a path and keeps the query as it is.
///
/// # Errors
/// Why the target is refused.
pub fn normalise(path: &str, query: Option<&str>, rules: PathRules) -> Result<Target, BadTarget> {
    if !path.starts_with('/') {
        return Err(BadTarget::Form);
    }
    if query.is_some_and(|query| query.bytes().any(|byte| byte.is_ascii_control())) {
        return Err(BadTarget::Control);
    }
    let mut target = Target {
        path: path.to_owned(),
        routed: None,
        sent: None,
        query: query.map(str::to_owned),
    };
    if !is_plain(path) {
        let decoded = decode(path)?;
        target.path = resolve(&decoded)?;
        // Where more than decoding is needed, no slash is kept: nobody gets past a rule by it.
        if rules.encoded_slash && target.path == decoded {
            keep_slashes(path, &mut target)?;
        }
    }
    if rules.servlet && target.path.contains(';') {
        let path = without_parameters(&target.path)?;
        let before = std::mem::replace(&mut target.path, path);
        // A slash inside of parameters would be one to some and none to others: none is kept.
        target.routed = None;
        target.sent = Some(encoded(&before));
    }
    if let (Some(sent), Some(query)) = (&mut target.sent, query) {
        sent.push('?');
        sent.push_str(query);
    }
    Ok(target)
}

/// Notes the path with encoded slashes kept, if it has any.
fn keep_slashes(path: &str, target: &mut Target) -> Result<(), BadTarget> {
    let mut pieces = Vec::new();
    let (mut from, mut at) = (0, 0);
    // A percent sign always begins a sequence of three: the path has been decoded.
    while let Some(percent) = path.get(at..).and_then(|rest| rest.find('%')) {
        let start = at + percent;
        at = start + 3;
        let sequence = path.get(start..at).unwrap_or_default();
        if sequence.eq_ignore_ascii_case("%2f") {
            pieces.push(decode(path.get(from..start).unwrap_or_default())?);
            from = at;
        }
    }
    if !pieces.is_empty() {
        pieces.push(decode(path.get(from..).unwrap_or_default())?);
        let sent: Vec<String> = pieces.iter().map(|piece| encoded(piece)).collect();
        target.routed = Some(pieces.join("%2F"));
        target.sent = Some(sent.join("%2F"));
    }
    Ok(())
}

/// Drops `;params` from each segment.
fn without_parameters(path: &str) -> Result<String, BadTarget> {
    let last = path.split('/').count() - 1;
    let mut segments = Vec::with_capacity(last + 1);
    for (number, segment) in path.split('/').enumerate() {
        let Some((name, _)) = segment.split_once(';') else {
            segments.push(segment);
            continue;
        };
        let is_dots = matches!(name, "." | "..")
            || ["%2e", "%2e%2e"]
                .iter()
                .any(|dots| name.eq_ignore_ascii_case(dots));
        if is_dots || (name.is_empty() && number < last) {
            return Err(BadTarget::Parameters);
        }
        segments.push(name);
    }
    Ok(segments.join("/"))
}

fn encoded(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    encode_path(path, &mut encoded);
    encoded
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

/// The request target for a node: the path encoded anew, and the query as it came.
#[must_use]
pub fn node_uri(path: &str, query: Option<&str>) -> String {
    let extra = query.map_or(0, |query| query.len() + 1);
    let mut uri = String::with_capacity(path.len() + extra);
    encode_path(path, &mut uri);
    if let Some(query) = query {
        uri.push('?');
        uri.push_str(query);
    }
    uri
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
mod tests;
