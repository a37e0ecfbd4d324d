//! Certificates of the specification, made when they are first asked for.
//!
//! `<ca>` is the PEM of the authority that the clients trust, `<ca other>` of another one;
//! `<cert api.test>` and `<key api.test>` are a certificate of the first and its key, `<cert
//! api.test by other>` one of the other, `<cert api.test expired>` one that was good last year.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

/// Name of the authority that the clients trust.
pub(crate) const TRUSTED: &str = "trusted";

static AUTHORITIES: Mutex<BTreeMap<String, Arc<Authority>>> = Mutex::new(BTreeMap::new());

/// Signs certificates; each name has one for as long as the process lives.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
    pairs: Mutex<BTreeMap<String, Pair>>,
}

/// A certificate and its key, as PEM.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The certificate.
    pub cert: String,
    /// The key.
    pub key: String,
}

/// The PEM that a name stands for, when it is one of ours.
pub(crate) fn named(name: &str) -> Option<String> {
    let mut words = name.split(' ');
    let what = words.next()?;
    let words: Vec<&str> = words.collect();
    match (what, words.as_slice()) {
        ("ca", []) => Some(authority(TRUSTED)),
        ("ca", [name]) => Some(authority(name)),
        ("cert", [host, rest @ ..]) => Some(written(host, rest).cert),
        ("key", [host, rest @ ..]) => Some(written(host, rest).key),
        _ => None,
    }
}

fn written(host: &str, words: &[&str]) -> Pair {
    match words {
        [] => pair(host, TRUSTED, false),
        ["by", authority] => pair(host, authority, false),
        ["expired"] => pair(host, TRUSTED, true),
        other => panic!("certificate of {host}: unknown {other:?}"),
    }
}

/// PEM of an authority.
pub fn authority(name: &str) -> String {
    find(name).pem.clone()
}

/// The certificate of `host`, a name or an address, for servers and clients.
pub fn pair(host: &str, by: &str, expired: bool) -> Pair {
    let authority = find(by);
    let mut pairs = authority
        .pairs
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let make = || authority.make(host, expired);
    pairs
        .entry(format!("{host} {expired}"))
        .or_insert_with(make)
        .clone()
}

fn find(name: &str) -> Arc<Authority> {
    let mut known = AUTHORITIES.lock().unwrap_or_else(PoisonError::into_inner);
    let make = || Arc::new(Authority::new(name));
    Arc::clone(known.entry(name.to_owned()).or_insert_with(make))
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, format!("{name} authority"));
        let key = KeyPair::generate().expect("a key");
        let cert = params.self_signed(&key).expect("a certificate");
        Self {
            pem: cert.pem(),
            issuer: Issuer::new(params, key),
            pairs: Mutex::default(),
        }
    }

    fn make(&self, host: &str, expired: bool) -> Pair {
        let mut params = CertificateParams::new(vec![host.to_owned()]).expect("a host");
        params.distinguished_name.push(DnType::CommonName, host);
        if expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        let key = KeyPair::generate().expect("a key");
        let cert = params.signed_by(&key, &self.issuer).expect("a certificate");
        Pair {
            cert: cert.pem(),
            key: key.serialize_pem(),
        }
    }
}
