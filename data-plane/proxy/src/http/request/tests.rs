use super::*;
use http::Request;

fn peer() -> Peer {
    Peer {
        peer: "127.0.0.1:4000".parse().unwrap(),
        relay: None,
        local: "127.0.0.1:9080".parse().unwrap(),
        scheme: Scheme::Http,
    }
}

fn parse(request: request::Builder) -> Result<RequestHead, Reason> {
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let rules = Rules {
        uri_length: 64,
        header_count: 100,
        paths: PathRules::default(),
        bodies: BodyLimits::default(),
    };
    let Received { head, refused, .. } = head(parts, &peer(), rules);
    refused.map_or(Ok(head), |refusal| Err(refusal.reason))
}

#[test]
fn host_is_lower_cased_and_loses_its_port() {
    let head = parse(Request::get("/a?b=c").header("host", "Foo.COM.:8080")).unwrap();
    assert_eq!(head.host, "foo.com");
    assert_eq!(head.authority, "Foo.COM.:8080");
    assert_eq!(head.raw_target, "/a?b=c");
    assert_eq!(head.query.as_deref(), Some("b=c"));
}

#[test]
fn target_in_absolute_form_names_the_host() {
    let head = parse(Request::get("http://a.com:81/x").header("host", "A.com:81")).unwrap();
    assert_eq!((head.host.as_str(), head.path.as_str()), ("a.com", "/x"));
    for (target, host) in [
        ("http://a.com/", "a.com:80"),
        ("http://a.com:80/", "a.com"),
        ("https://a.com/", "a.com:443"),
    ] {
        assert!(parse(Request::get(target).header("host", host)).is_ok());
    }
}

#[test]
fn requests_with_a_doubtful_host_are_refused() {
    for request in [
        Request::get("/"),
        Request::get("/").header("host", "a").header("host", "a"),
        Request::get("/").header("host", "a/b"),
        Request::get("/").header("host", "user@a"),
        Request::get("/").header("host", "a:99999"),
        Request::get("/").header("host", "[::1"),
        Request::get("http://a.com/").header("host", "b.com"),
        Request::get("http://a.com/").header("host", "a.com:81"),
        Request::get("http://a.com/").header("host", "a.com:443"),
        Request::get("http://user@a.com/").header("host", "user@a.com"),
        Request::get("http://a/")
            .version(Version::HTTP_2)
            .header("host", "b"),
    ] {
        assert_eq!(parse(request).unwrap_err(), Reason::BadRequest);
    }
}

#[test]
fn ipv6_host_keeps_its_brackets() {
    let head = parse(Request::get("/").header("host", "[::1]:9080")).unwrap();
    assert_eq!(head.host, "[::1]");
}

#[test]
fn long_target_is_refused() {
    let uri = format!("/{}", "a".repeat(64));
    let request = Request::get(uri).header("host", "a");
    assert_eq!(parse(request).unwrap_err(), Reason::UriTooLong);
}

#[test]
fn connect_and_trace_are_refused() {
    let request = Request::builder()
        .method("TRACE")
        .uri("/")
        .header("host", "a");
    assert_eq!(parse(request).unwrap_err(), Reason::MethodRefused);
}
