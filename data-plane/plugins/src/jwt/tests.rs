use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaEncoding, RsaKeyPair,
};
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::*;

/// A token of these parts, signed by `sign`.
pub(crate) fn token(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let signed = format!(
        "{}.{}",
        encode(header.to_string().as_bytes()),
        encode(claims.to_string().as_bytes())
    );
    let signature = sign(signed.as_bytes());
    format!("{signed}.{}", encode(&signature))
}

/// A token signed with a shared secret by HS256.
pub(crate) fn hs256(claims: &Value, secret: &str) -> String {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
    token(&json!({"alg": "HS256", "typ": "JWT"}), claims, |message| {
        aws_lc_rs::hmac::sign(&key, message).as_ref().to_vec()
    })
}

/// `SubjectPublicKeyInfo` in PEM.
pub(crate) fn pem(der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
}

fn spki<K: AsDer<PublicKeyX509Der<'static>>>(key: &K) -> String {
    pem(key.as_der().unwrap().as_ref())
}

type Signer = Box<dyn Fn(&[u8]) -> Vec<u8>>;

fn rsa(encoding: &'static dyn RsaEncoding) -> (String, Signer) {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let public = spki(pair.public_key());
    let sign = move |message: &[u8]| {
        let mut out = vec![0; pair.public_modulus_len()];
        pair.sign(encoding, &SystemRandom::new(), message, &mut out)
            .unwrap();
        out
    };
    (public, Box::new(sign))
}

fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm) -> (String, Signer) {
    let pair = EcdsaKeyPair::generate(algorithm).unwrap();
    let public = spki(pair.public_key());
    let sign = move |message: &[u8]| {
        let signature = pair.sign(&SystemRandom::new(), message).unwrap();
        signature.as_ref().to_vec()
    };
    (public, Box::new(sign))
}

fn ed25519() -> (String, Signer) {
    let pair = Ed25519KeyPair::generate().unwrap();
    let public = spki(pair.public_key());
    (
        public,
        Box::new(move |message: &[u8]| pair.sign(message).as_ref().to_vec()),
    )
}

#[test]
fn every_public_key_algorithm_verifies_its_own_signatures_only() {
    let cases = [
        ("RS256", rsa(&signature::RSA_PKCS1_SHA256)),
        ("RS384", rsa(&signature::RSA_PKCS1_SHA384)),
        ("RS512", rsa(&signature::RSA_PKCS1_SHA512)),
        ("PS256", rsa(&signature::RSA_PSS_SHA256)),
        ("PS384", rsa(&signature::RSA_PSS_SHA384)),
        ("PS512", rsa(&signature::RSA_PSS_SHA512)),
        ("ES256", ecdsa(&signature::ECDSA_P256_SHA256_FIXED_SIGNING)),
        ("ES384", ecdsa(&signature::ECDSA_P384_SHA384_FIXED_SIGNING)),
        ("ES512", ecdsa(&signature::ECDSA_P521_SHA512_FIXED_SIGNING)),
        ("EdDSA", ed25519()),
    ];
    let claims = json!({"key": "a"});
    for (name, (public, sign)) in &cases {
        let text = token(&json!({"alg": name}), &claims, sign);
        let parsed = Token::parse(&text).unwrap();
        for (other, (other_public, _)) in &cases {
            let algorithm = Algorithm::named(other).unwrap();
            let key = VerifyKey::public_pem(algorithm, other_public).unwrap();
            assert_eq!(parsed.is_signed_by(&key), name == other, "{name} {other}");
        }
        let algorithm = Algorithm::named(name).unwrap();
        assert!(!algorithm.is_symmetric());
        assert!(VerifyKey::secret(algorithm, b"secret").is_none());
        let forged = token(&json!({"alg": name}), &json!({"key": "b"}), |_| {
            sign(b"other")
        });
        let key = VerifyKey::public_pem(algorithm, public).unwrap();
        assert!(!Token::parse(&forged).unwrap().is_signed_by(&key));
    }
}

#[test]
fn a_public_key_is_never_a_shared_secret() {
    let (public, _) = rsa(&signature::RSA_PKCS1_SHA256);
    let text = hs256(&json!({"key": "a"}), &public);
    let confused = Token::parse(&text).unwrap();
    let key = VerifyKey::public_pem(Algorithm::RS256, &public).unwrap();
    assert!(!confused.is_signed_by(&key));
    assert!(VerifyKey::public_pem(Algorithm::HS256, &public).is_none());
}

#[test]
fn none_and_unknown_algorithms_are_never_signed() {
    let key = VerifyKey::secret(Algorithm::HS256, b"secret").unwrap();
    for alg in [
        json!("none"),
        json!("None"),
        json!("hs256"),
        json!(""),
        json!(7),
        json!(null),
    ] {
        let text = token(&json!({"alg": alg}), &json!({}), |_| Vec::new());
        assert!(!Token::parse(&text).unwrap().is_signed_by(&key), "{alg}");
    }
}

#[test]
fn what_is_no_token_is_refused() {
    let good = hs256(&json!({}), "s");
    assert!(Token::parse(&good).is_some());
    let (head, _) = good.split_once('.').unwrap();
    for text in [
        String::new(),
        "..".into(),
        "a.b".into(),
        format!("{good}.x"),
        format!("{head}.!.x"),
        format!("{head}.W10.x"),
        format!("Bearer {good}"),
        "a".repeat(70_000),
        token(
            &json!({"alg": "HS256", "crit": ["b64"]}),
            &json!({}),
            |_| vec![1],
        ),
        token(&json!([]), &json!({}), |_| vec![1]),
    ] {
        assert!(Token::parse(&text).is_none(), "{text}");
    }
}

#[test]
fn times_are_kept_with_leeway() {
    use Demand::{Ignored, Optional, Required};
    let check = |claims: Value, leeway, exp, nbf| is_timely(&claims, 1000, leeway, exp, nbf);
    assert!(check(json!({}), 0, Optional, Optional));
    assert!(!check(json!({}), 0, Required, Optional));
    assert!(!check(json!({"exp": 1000}), 0, Optional, Optional));
    assert!(check(json!({"exp": 1000}), 1, Optional, Optional));
    assert!(check(json!({"exp": 1000.5}), 0, Required, Optional));
    assert!(!check(json!({"nbf": 1001}), 0, Optional, Optional));
    assert!(check(json!({"nbf": 1001}), 1, Optional, Required));
    assert!(check(json!({"exp": 1, "nbf": 2000}), 0, Ignored, Ignored));
    assert!(!check(json!({"exp": "2000"}), 0, Optional, Optional));
}
