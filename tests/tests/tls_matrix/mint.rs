//! Authorities and certificates of every kind that the table needs.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, date_time_ymd,
};

/// A certificate (with its chain) and its key, as PEM and as files.
pub(crate) struct Minted {
    pub(crate) cert: String,
    pub(crate) key: String,
    pub(crate) cert_file: PathBuf,
    pub(crate) key_file: PathBuf,
}

impl Minted {
    fn new(dir: &Path, name: &str, cert: String, key: &KeyPair) -> Self {
        let key = key.serialize_pem();
        let (cert_file, key_file) = (
            dir.join(format!("{name}.pem")),
            dir.join(format!("{name}.key")),
        );
        std::fs::write(&cert_file, &cert).unwrap();
        std::fs::write(&key_file, &key).unwrap();
        Self {
            cert,
            key,
            cert_file,
            key_file,
        }
    }
}

/// Signs certificates.
pub(crate) struct Authority {
    pub(crate) pem: String,
    pub(crate) file: PathBuf,
    /// What has to be sent along, nearest first; empty for a root.
    above: String,
    issuer: Issuer<'static, KeyPair>,
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

impl Authority {
    pub(crate) fn new(dir: &Path, name: &str) -> Self {
        let params = authority_params(name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let file = dir.join(format!("{name}.pem"));
        std::fs::write(&file, &pem).unwrap();
        Self {
            pem,
            file,
            above: String::new(),
            issuer: Issuer::new(params, key),
        }
    }

    /// An authority that this one signed.
    pub(crate) fn intermediate(&self, name: &str) -> Self {
        let params = authority_params(name);
        let key = KeyPair::generate().unwrap();
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        Self {
            above: format!("{pem}{}", self.above),
            pem,
            file: PathBuf::new(),
            issuer: Issuer::new(params, key),
        }
    }

    /// What has to be sent with certificates of this authority.
    pub(crate) fn chain(&self) -> &str {
        &self.above
    }

    /// A certificate for `host`, with the common name `name`.
    pub(crate) fn mint(&self, dir: &Path, name: &str, host: &str, kind: Kind) -> Minted {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        match kind {
            Kind::Expired => {
                params.not_before = date_time_ymd(2020, 1, 1);
                params.not_after = date_time_ymd(2021, 1, 1);
            }
            Kind::Future => {
                params.not_before = date_time_ymd(2090, 1, 1);
                params.not_after = date_time_ymd(2091, 1, 1);
            }
            Kind::ServerOnly => {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            }
            Kind::Ecdsa | Kind::Rsa => {}
        }
        let algorithm = match kind {
            Kind::Rsa => &PKCS_RSA_SHA256,
            _ => &PKCS_ECDSA_P256_SHA256,
        };
        let key = KeyPair::generate_for(algorithm).unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap().pem();
        Minted::new(dir, name, format!("{cert}{}", self.above), &key)
    }
}

/// What is special about a certificate.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Ecdsa,
    Rsa,
    Expired,
    /// Not valid yet.
    Future,
    /// May not be used by clients.
    ServerOnly,
}

/// A self-signed certificate; `ca` as `openssl req -x509` makes them.
pub(crate) fn self_signed(dir: &Path, name: &str, ca: bool) -> Minted {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    if ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let key = KeyPair::generate().unwrap();
    let cert = params.self_signed(&key).unwrap().pem();
    Minted::new(dir, name, cert, &key)
}
