//! A certificate whose status is stapled.

use http::Uri;
use rustls_pki_types::CertificateDer;
use sha1::{Digest, Sha1};
use weir_model::ssl::Stapling;
use x509_cert::Certificate;
use x509_cert::der::asn1::{Null, ObjectIdentifier, OctetString};
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::AuthorityInfoAccessSyntax;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_ocsp::{CertId, OcspRequest, Request, TbsRequest, Version};

use super::{Refused, Status, response};

/// SHA-1, by which responders know certificates (RFC 5019 section 2.1.1); it protects nothing here.
const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
/// Access by OCSP (RFC 5280 section 4.2.2.1).
const OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");

/// A certificate whose status is stapled.
#[derive(Debug)]
pub(in crate::tls) struct Subject {
    pub(super) id: CertId,
    pub(super) issuer: CertificateDer<'static>,
    /// Whom to ask, if there is somebody.
    pub(super) responder: Option<Uri>,
    /// Longest time between two questions, in seconds.
    pub(super) cache_ttl: u64,
    /// Whether a response is stapled without being looked at.
    pub(super) skip_verify: bool,
}

impl Subject {
    /// The certificate of `chain`, whose second one is the issuer's.
    ///
    /// # Errors
    /// What is missing, for the operator.
    pub(in crate::tls) fn new(
        chain: &[CertificateDer<'static>],
        stapling: &Stapling,
    ) -> Result<Self, String> {
        let [leaf, issuer, ..] = chain else {
            return Err("expected the issuer's certificate behind the certificate".to_owned());
        };
        let parse = |der: &CertificateDer<'_>| {
            Certificate::from_der(der).map_err(|error| format!("failed to parse cert: {error}"))
        };
        let (parsed, above) = (parse(leaf)?, parse(issuer)?);
        let responder = match &stapling.responder {
            Some(text) => Some(text.clone()),
            None => named_responder(&parsed),
        };
        let responder = responder.map(|text| {
            let uri = text.parse::<Uri>().ok();
            let absolute = uri.filter(|uri| uri.scheme().is_some() && uri.host().is_some());
            absolute.ok_or_else(|| format!("expected the URL of a responder, got {text}"))
        });
        Ok(Self {
            id: id(&parsed, &above).map_err(|error| error.to_string())?,
            issuer: issuer.clone(),
            responder: responder.transpose()?,
            cache_ttl: stapling.cache_ttl.as_secs(),
            skip_verify: stapling.skip_verify,
        })
    }

    /// Whether there is somebody to ask.
    pub(in crate::tls) fn has_responder(&self) -> bool {
        self.responder.is_some()
    }

    /// What the responder is sent.
    pub(super) fn question(&self) -> Result<Vec<u8>, x509_cert::der::Error> {
        let request = OcspRequest {
            tbs_request: TbsRequest {
                version: Version::V1,
                requestor_name: None,
                request_list: vec![Request {
                    req_cert: self.id.clone(),
                    single_request_extensions: None,
                }],
                request_extensions: None,
            },
            optional_signature: None,
        };
        request.to_der()
    }

    /// What a response says at `now`, in seconds since the epoch.
    ///
    /// # Errors
    /// Why it is not stapled.
    pub(in crate::tls) fn read(&self, response: Vec<u8>, now: u64) -> Result<Status, Refused> {
        let until = response::check(self, &response, now)?;
        Ok(Status { response, until })
    }
}

fn id(leaf: &Certificate, issuer: &Certificate) -> Result<CertId, x509_cert::der::Error> {
    let issuer = &issuer.tbs_certificate;
    let key = issuer
        .subject_public_key_info
        .subject_public_key
        .raw_bytes();
    let hash = |bytes: &[u8]| OctetString::new(Sha1::digest(bytes).to_vec());
    Ok(CertId {
        hash_algorithm: AlgorithmIdentifierOwned {
            oid: SHA1,
            parameters: Some(Null.into()),
        },
        issuer_name_hash: hash(&issuer.subject.to_der()?)?,
        issuer_key_hash: hash(key)?,
        serial_number: leaf.tbs_certificate.serial_number.clone(),
    })
}

/// The responder that the certificate names.
fn named_responder(leaf: &Certificate) -> Option<String> {
    let found = leaf.tbs_certificate.get::<AuthorityInfoAccessSyntax>();
    let (_, access) = found.ok()??;
    let mut places = access.0.into_iter();
    places.find_map(|place| match place.access_location {
        GeneralName::UniformResourceIdentifier(uri) if place.access_method == OCSP => {
            Some(uri.to_string())
        }
        _ => None,
    })
}
