//! Responses that `openssl ocsp` made once, at [`MADE`] and for seven days.

use std::time::Duration;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use weir_model::ssl::Stapling;

use super::*;

const CHAIN: &str = include_str!("samples/chain.pem");
const MADE: u64 = 1_795_648_625;
const DAY: u64 = 24 * 60 * 60;
/// Next update of the samples.
const ENDS: u64 = MADE + 7 * DAY;

fn stapling(skip_verify: bool, responder: Option<&str>) -> Stapling {
    Stapling {
        skip_verify,
        cache_ttl: Duration::from_secs(3600),
        responder: responder.map(str::to_owned),
        responses: Vec::new(),
    }
}

fn chain() -> Vec<CertificateDer<'static>> {
    let chain = CertificateDer::pem_slice_iter(CHAIN.as_bytes());
    chain.collect::<Result<_, _>>().unwrap()
}

fn subject(skip_verify: bool) -> Subject {
    Subject::new(&chain(), &stapling(skip_verify, None)).unwrap()
}

fn read(response: &[u8], now: u64) -> Result<u64, String> {
    let read = subject(false).read(response.to_vec(), now);
    let read = read.map_err(|refused| refused.to_string());
    read.map(|status| {
        assert_eq!(status.response, response);
        status.until
    })
}

const GOOD: &[u8] = include_bytes!("samples/good.der");
const REVOKED: &[u8] = include_bytes!("samples/revoked.der");

#[test]
fn the_question_is_the_one_that_openssl_asks() {
    let asked = subject(false).question().unwrap();
    let hex: String = asked.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        "30433041303f303d303b300906052b0e03021a05000414495a4eda83265ea28ef3ee5e39bdba75ac8ba4220414\
         330c25fe3b3269e325eec17ca0eba37c48062f3a02021234"
    );
}

#[test]
fn the_responder_is_the_one_of_the_certificate_unless_another_is_named() {
    let named = subject(false).responder.unwrap().to_string();
    assert_eq!(named, "http://ocsp.sample.test/path");
    let other = stapling(false, Some("http://other.test/"));
    let other = Subject::new(&chain(), &other).unwrap().responder;
    assert_eq!(other.unwrap().to_string(), "http://other.test/");
    let relative = stapling(false, Some("/path"));
    assert!(Subject::new(&chain(), &relative).is_err());
    assert!(Subject::new(&chain()[..1], &stapling(false, None)).is_err());
}

#[test]
fn what_the_issuer_or_its_delegate_signed_holds_until_its_end() {
    for response in [GOOD, include_bytes!("samples/delegated.der")] {
        let until = read(response, MADE + DAY).unwrap();
        assert!(until.abs_diff(ENDS) < 60, "{until}");
        assert_eq!(
            read(response, until).unwrap_err(),
            "the OCSP response is out of date"
        );
        let early = read(response, MADE - DAY).unwrap_err();
        assert!(early.contains("future"), "{early}");
    }
}

#[test]
fn what_nobody_signed_who_may_is_refused() {
    for response in [
        &include_bytes!("samples/strange.der")[..],
        include_bytes!("samples/forged.der"),
    ] {
        let error = read(response, MADE + DAY).unwrap_err();
        assert!(error.contains("signed by nobody who may"), "{error}");
    }
}

#[test]
fn a_certificate_that_is_not_good_has_no_staple_unless_nobody_looks() {
    let refused = subject(false).read(REVOKED.to_vec(), MADE + DAY);
    assert_eq!(refused, Err(Refused::Revoked));
    assert!(subject(true).read(REVOKED.to_vec(), MADE + DAY).is_ok());
    let unknown = read(include_bytes!("samples/unknown.der"), MADE + DAY).unwrap_err();
    assert!(unknown.contains("unknown"), "{unknown}");
}

#[test]
fn a_changed_or_cut_response_is_refused() {
    // Behind the signature stands the issuer's certificate, which nothing hangs on.
    let issuer = chain()[1].to_vec();
    let mut windows = GOOD.windows(issuer.len());
    let certificate = windows.position(|window| window == issuer).unwrap();
    for position in 0..certificate {
        let mut changed = GOOD.to_vec();
        changed[position] ^= 1;
        assert!(read(&changed, MADE + DAY).is_err(), "byte {position}");
    }
    for length in 0..GOOD.len() {
        assert!(read(&GOOD[..length], MADE + DAY).is_err(), "{length}");
    }
    // What a responder that cannot answer says (RFC 6960 section 4.2.1): tryLater.
    let later = read(&[0x30, 3, 0x0a, 1, 3], MADE).unwrap_err();
    assert!(later.contains("TryLater"), "{later}");
}
