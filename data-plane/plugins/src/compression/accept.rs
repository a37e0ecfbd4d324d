//! `Accept-Encoding` (RFC 9110 section 12.5.3).

use http::HeaderMap;
use http::header::ACCEPT_ENCODING;

/// How much the client wants this coding, 1 to 1000; `None` when it does not take it, does not say
/// so, or would rather have the plain form.
pub(super) fn wanted(headers: &HeaderMap, coding: &str) -> Option<u16> {
    let (mut own, mut others, mut plain) = (None, None, None);
    let values = headers.get_all(ACCEPT_ENCODING).iter();
    let values = values.filter_map(|value| value.to_str().ok());
    for member in values.flat_map(|value| value.split(',')) {
        let (name, parameters) = member.split_once(';').unwrap_or((member, ""));
        let name = name.trim();
        let quality = quality(parameters);
        if name.eq_ignore_ascii_case(coding) || name.eq_ignore_ascii_case(alias(coding)) {
            own = Some(quality);
        } else if name == "*" {
            others = Some(quality);
        } else if name.eq_ignore_ascii_case("identity") {
            plain = Some(quality);
        }
    }
    own.or(others)
        .filter(|quality| *quality > 0 && plain.is_none_or(|plain| plain <= *quality))
}

/// RFC 9110 section 8.4.1.3.
fn alias(coding: &str) -> &str {
    match coding {
        "gzip" => "x-gzip",
        other => other,
    }
}

/// Thousandths; what is no quality counts as a refusal.
fn quality(parameters: &str) -> u16 {
    let mut parameters = parameters.split(';').map(str::trim);
    let Some(value) = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
    }) else {
        return 1000;
    };
    let (whole, part) = value.split_once('.').unwrap_or((value, ""));
    let digits = part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit());
    match whole {
        "0" if digits => format!("{part:0<3}").parse().unwrap_or(0),
        "1" if digits && part.bytes().all(|byte| byte == b'0') => 1000,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn qualities_decide() {
        for (said, coding, expected) in [
            ("gzip", "gzip", Some(1000)),
            ("GZIP;Q=0.5", "gzip", Some(500)),
            ("x-gzip", "gzip", Some(1000)),
            ("deflate, gzip;q=0.25, *;q=0", "gzip", Some(250)),
            ("deflate, gzip;q=0.25, *;q=0", "br", None),
            ("*", "br", Some(1000)),
            ("*;q=0.1", "zstd", Some(100)),
            ("br;q=0, *", "br", None),
            ("br; q=0.000", "br", None),
            ("br;q=1.000", "br", Some(1000)),
            ("br;q=1.5", "br", None),
            ("br;q=0.1234", "br", None),
            ("br;q=a", "br", None),
            ("br;q=", "br", None),
            ("br;level=3", "br", Some(1000)),
            ("gzip;q=0.5, identity", "gzip", None),
            ("gzip, identity;q=0.5", "gzip", Some(1000)),
            ("identity", "gzip", None),
            ("gzipped", "gzip", None),
            ("", "gzip", None),
            (", ,", "gzip", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_str(said).unwrap());
            assert_eq!(wanted(&headers, coding), expected, "{said} {coding}");
        }
        assert_eq!(wanted(&HeaderMap::new(), "gzip"), None);
    }

    #[test]
    fn several_fields_are_one_list() {
        let mut headers = HeaderMap::new();
        headers.append(ACCEPT_ENCODING, HeaderValue::from_static("br;q=0.5"));
        headers.append(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        assert_eq!(wanted(&headers, "br"), Some(500));
        assert_eq!(wanted(&headers, "gzip"), Some(1000));
    }
}
