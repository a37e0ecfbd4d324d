//! The request target in its four forms (RFC 9112 section 3.2), each where it belongs and nowhere
//! else.

use bytes::Bytes;
use http::{Method, Uri};

/// The target of a request with this method.
///
/// # Errors
/// Which rule it breaks.
pub(super) fn parse(method: &Method, target: &Bytes) -> Result<Uri, &'static str> {
    for byte in target.iter() {
        match byte {
            0..=b' ' | 0x7f => return Err("control character in the target"),
            0x80.. => return Err("target has bytes beyond ASCII"),
            b'#' => return Err("target has a fragment"),
            _ => {}
        }
    }
    let form = form(target);
    match form {
        Form::Authority if method != Method::CONNECT => {
            return Err("target is neither a path nor a URI");
        }
        Form::Asterisk if method != Method::OPTIONS => {
            return Err("target is an asterisk, but the method is not OPTIONS");
        }
        Form::Origin | Form::Absolute | Form::OtherScheme | Form::Asterisk
            if method == Method::CONNECT =>
        {
            return Err("target of CONNECT is not host and port");
        }
        Form::OtherScheme => return Err("target has another scheme than http and https"),
        _ => {}
    }
    let uri = Uri::from_maybe_shared(target.clone()).map_err(|_| "target is not a URI")?;
    let authority = uri.authority().map(http::uri::Authority::as_str);
    match form {
        Form::Absolute if authority.is_none_or(str::is_empty) => {
            Err("target in absolute form has no host")
        }
        Form::Authority if uri.port_u16().is_none() => {
            Err("target of CONNECT is not host and port")
        }
        _ => Ok(uri),
    }
}

#[derive(Clone, Copy)]
enum Form {
    Origin,
    Absolute,
    /// Absolute, but nothing that is served here.
    OtherScheme,
    Authority,
    Asterisk,
}

fn form(target: &[u8]) -> Form {
    let begins = |scheme: &[u8]| {
        let start = target.get(..scheme.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    match target {
        [b'/', ..] => Form::Origin,
        b"*" => Form::Asterisk,
        _ if begins(b"http://") || begins(b"https://") => Form::Absolute,
        _ if memchr::memmem::find(target, b"://").is_some() => Form::OtherScheme,
        _ => Form::Authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(method: &str, target: &'static str) -> Result<String, &'static str> {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        parse(&method, &Bytes::from_static(target.as_bytes())).map(|uri| uri.to_string())
    }

    #[test]
    fn each_form_has_its_place() {
        for (method, target, uri) in [
            ("GET", "/", "/"),
            ("GET", "/a/%2e?b=c://d", "/a/%2e?b=c://d"),
            ("GET", "//a/b", "//a/b"),
            ("GET", "http://a.com", "http://a.com/"),
            ("GET", "HTTPS://a.com:8443/x?y", "https://a.com:8443/x?y"),
            ("OPTIONS", "*", "*"),
            ("CONNECT", "a.com:443", "a.com:443"),
        ] {
            assert_eq!(parsed(method, target).as_deref(), Ok(uri), "{target}");
        }
        for (method, target) in [
            ("GET", "*"),
            ("OPTIONS", "**"),
            ("GET", "a.com:443"),
            ("GET", "a/b"),
            ("GET", "?a"),
            ("GET", "ftp://a.com/"),
            ("GET", "ws://a.com/"),
            ("GET", "http:///x"),
            ("GET", "http://"),
            ("GET", "http:/a"),
            ("GET", "/a#b"),
            ("GET", "/a\tb"),
            ("GET", "/a\0"),
            ("GET", "/a\x7f"),
            ("GET", "/\u{e4}"),
            ("CONNECT", "/"),
            ("CONNECT", "*"),
            ("CONNECT", "a.com"),
            ("CONNECT", "http://a.com:80/"),
        ] {
            assert!(parsed(method, target).is_err(), "{method} {target:?}");
        }
    }
}
