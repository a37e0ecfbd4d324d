//! The one meaning of a path: decoded, without dot segments and empty segments (RFC 3986 section
//! 5.2.4 and the practice that nodes follow).

use crate::Fault;

/// Path and query of a target in any form.
#[must_use]
pub fn origin(target: &str) -> (&str, Option<&str>) {
    let rest = match target.split_once("://") {
        Some((_, rest)) if !target.starts_with('/') => {
            rest.find(['/', '?']).map_or("", |at| &rest[at..])
        }
        _ => target,
    };
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };
    (if path.is_empty() { "/" } else { path }, query)
}

/// Decodes and resolves a path in origin form.
///
/// # Errors
/// The rule that it breaks.
pub fn path(raw: &str) -> Result<String, Fault> {
    if !raw.starts_with('/') {
        return Err("does not begin with a slash");
    }
    let mut decoded = Vec::new();
    let mut rest = raw.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let (byte, after) = match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).unwrap_or_default();
                let signed = digits.starts_with('+');
                let byte = u8::from_str_radix(digits, 16).ok().filter(|_| !signed);
                (byte.ok_or("percent without two digits")?, after)
            }
            (b'%', _) => return Err("percent without two digits"),
            (byte, after) => (*byte, after),
        };
        if byte < 0x20 || byte == 0x7f {
            return Err("control character");
        }
        decoded.push(byte);
        rest = after;
    }
    let decoded = String::from_utf8(decoded).map_err(|_| "not UTF-8")?;
    let inner = decoded.strip_prefix('/').unwrap_or_default();
    let mut kept: Vec<&str> = Vec::new();
    for segment in inner.split('/') {
        if segment == ".." {
            kept.pop().ok_or("leaves the root")?;
        } else if segment != "." && !segment.is_empty() {
            kept.push(segment);
        }
    }
    // A path that ends in a directory says so.
    let directory =
        kept.is_empty() || ["", ".", ".."].contains(&inner.rsplit('/').next().unwrap_or_default());
    let tail = if directory && !kept.is_empty() {
        "/"
    } else {
        ""
    };
    Ok(format!("/{}{tail}", kept.join("/")))
}
