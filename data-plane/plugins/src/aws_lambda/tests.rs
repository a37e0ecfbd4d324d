//! Signatures are those that AWS publishes: the test suite of Signature Version 4, and the examples of
//! its documentation.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use serde_json::{Value, json};
use weir_plugin_api::outside::HttpCall;
use weir_plugin_api::testkit::request;

use super::AwsLambda;
use crate::aws_signature::{Moment, Signer, hex};
use crate::function_call::tests::{asked, header};
use crate::tests::refusal;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// 2015-08-30T12:36:00Z.
const MOMENT: u64 = 1_440_938_160_000;

fn signer(service: &str) -> Signer {
    Signer {
        access_key: "AKIDEXAMPLE".into(),
        secret_key: SECRET.into(),
        region: "us-east-1".into(),
        service: service.into(),
    }
}

fn signature(service: &str, call: &mut HttpCall) -> String {
    let value = signer(service).sign(call, &Moment::of(MOMENT)).unwrap();
    value.to_str().unwrap().to_owned()
}

fn call(method: Method, target: &str) -> HttpCall {
    let uri = format!("https://example.amazonaws.com{target}");
    HttpCall::new(method, uri.parse().unwrap())
}

#[test]
fn keys_are_those_of_the_documentation() {
    let key = |unix_ms| hex(&signer("iam").key(&Moment::of(unix_ms)));
    assert_eq!(
        key(1_329_264_000_000),
        "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d"
    );
    assert_eq!(
        key(MOMENT),
        "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
    );
}

#[test]
fn signatures_are_those_of_the_test_suite() {
    let prefix = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                  SignedHeaders=host;x-amz-date, Signature=";
    for (method, target, expected) in [
        (
            Method::GET,
            "/",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            Method::GET,
            "/?Param2=value2&Param1=value1",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            Method::POST,
            "/",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
    ] {
        let mut call = call(method, target);
        assert_eq!(
            signature("service", &mut call),
            format!("{prefix}{expected}")
        );
        assert_eq!(header(&call.headers, "x-amz-date"), "20150830T123600Z");
    }
}

#[test]
fn the_example_of_the_documentation_is_signed_as_there() {
    let uri = "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08";
    let mut call = HttpCall::new(Method::GET, uri.parse().unwrap());
    call.headers.insert(
        HeaderName::from_static("content-type"),
        HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8"),
    );
    let value = signature("iam", &mut call);
    assert!(
        value.contains("SignedHeaders=content-type;host;x-amz-date"),
        "{value}"
    );
    assert!(
        value.ends_with("5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"),
        "{value}"
    );
}

#[test]
fn body_path_query_and_amazons_headers_are_signed_and_no_other() {
    let of = |change: &dyn Fn(&mut HttpCall)| {
        let mut call = call(Method::POST, "/a");
        change(&mut call);
        signature("execute-api", &mut call)
    };
    let plain = of(&|_| {});
    let with = |name: &'static str| {
        of(&|call| {
            let value = HeaderValue::from_static("1");
            call.headers.insert(HeaderName::from_static(name), value);
        })
    };
    assert_eq!(plain, with("user-agent"));
    assert_ne!(plain, with("x-amz-security-token"));
    assert_ne!(plain, of(&|call| call.body = Bytes::from_static(b"a")));
    let at = |uri: &'static str| of(&|call| call.uri = uri.parse().unwrap());
    assert_ne!(plain, at("https://example.amazonaws.com/b"));
    assert_ne!(plain, at("https://example.amazonaws.com:8443/a"));
    assert_eq!(plain, at("https://example.amazonaws.com:443/a"));
    // However it is encoded, and in whatever order it stands.
    assert_eq!(
        at("https://example.amazonaws.com/a?b=%7e&a=%41"),
        at("https://example.amazonaws.com/a?a=A&b=~")
    );
}

fn lambda(authorization: Value) -> Value {
    json!({"function_uri": "https://f.test", "authorization": authorization})
}

#[test]
fn a_key_or_a_signature_says_who_calls_unless_the_client_does() {
    let iam = json!({"accesskey": "AKID", "secretkey": "s", "aws_region": "eu-west-1", "service": "lambda"});
    let call = asked::<AwsLambda>(lambda(json!({"apikey": "k"})), request("/"));
    assert_eq!(header(&call.headers, "x-api-key"), "k");
    assert_eq!(header(&call.headers, "authorization"), "");

    let both = lambda(json!({"apikey": "k", "iam": iam}));
    let own_key = request("/").header("x-api-key", "own");
    let call = asked::<AwsLambda>(both.clone(), request("/"));
    assert_eq!(header(&call.headers, "authorization"), "");
    let call = asked::<AwsLambda>(both, own_key);
    assert_eq!(header(&call.headers, "x-api-key"), "own");
    assert!(call.headers.contains_key("authorization"));

    let signed = lambda(json!({"iam": iam}));
    let call = asked::<AwsLambda>(signed.clone(), request("/?a=b+c"));
    assert_eq!(call.uri, "https://f.test/?a=b%20c");
    let value = header(&call.headers, "authorization");
    assert!(
        value.starts_with(
            "AWS4-HMAC-SHA256 Credential=AKID/20231114/eu-west-1/lambda/aws4_request, "
        ),
        "{value}"
    );
    assert!(call.headers["authorization"].is_sensitive());
    let call = asked::<AwsLambda>(signed, request("/").header("authorization", "own"));
    assert_eq!(header(&call.headers, "authorization"), "own");
    assert_eq!(header(&call.headers, "x-amz-date"), "");
}

#[test]
fn credentials_that_cannot_be_sent_are_refused() {
    let text = refusal::<AwsLambda>(lambda(json!({"apikey": "a\nb"})));
    assert_eq!(
        text,
        "authorization.apikey must be able to stand in a header"
    );
    let text = refusal::<AwsLambda>(lambda(
        json!({"iam": {"accesskey": "a\nb", "secretkey": "s"}}),
    ));
    assert_eq!(
        text,
        "authorization.iam.accesskey must be able to stand in a header"
    );
    refusal::<AwsLambda>(lambda(json!({"iam": {"accesskey": "a"}})));
}
