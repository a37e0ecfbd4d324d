//! What a responder answered (RFC 6960 section 4.2): whether it is about the certificate, signed by
//! who may, and of today.

use std::time::Duration;

use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode, Encode, EncodeValue};
use x509_ocsp::{
    BasicOcspResponse, CertStatus, OcspGeneralizedTime, OcspResponse, OcspResponseStatus,
    SingleResponse,
};

use super::Refused;
use super::subject::Subject;

/// Purpose `id-kp-OCSPSigning` (RFC 6960 section 4.2.2.2).
const OCSP_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 9];
/// Type `id-pkix-ocsp-basic` (RFC 6960 section 4.2.1).
const BASIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.1");
/// Seconds that the responder's clock may be ahead.
const SKEW: u64 = 300;

/// Until when the response holds, in seconds since the epoch.
///
/// # Errors
/// Why it cannot be used, for the operator.
pub(super) fn check(subject: &Subject, response: &[u8], now: u64) -> Result<u64, Refused> {
    let malformed = |error| format!("failed to parse the OCSP response: {error}");
    let response = OcspResponse::from_der(response).map_err(malformed)?;
    if response.response_status != OcspResponseStatus::Successful {
        let status = response.response_status;
        return Err(format!("the OCSP responder answered {status:?}").into());
    }
    let bytes = response
        .response_bytes
        .ok_or("the OCSP response is empty")?;
    if bytes.response_type != BASIC {
        let kind = bytes.response_type;
        return Err(format!("expected a basic OCSP response, got {kind}").into());
    }
    let basic = BasicOcspResponse::from_der(bytes.response.as_bytes()).map_err(malformed)?;
    let responses = &basic.tbs_response_data.responses;
    let single = responses
        .iter()
        .find(|single| single.cert_id.serial_number == subject.id.serial_number)
        .ok_or("the OCSP response is about another certificate")?;
    let until = holds(single, now, subject.cache_ttl)?;
    if !subject.skip_verify {
        is_good(single, subject)?;
        is_signed(&basic, &subject.issuer, now)?;
    }
    Ok(until)
}

fn seconds(time: OcspGeneralizedTime) -> u64 {
    time.0.to_unix_duration().as_secs()
}

fn holds(single: &SingleResponse, now: u64, cache_ttl: u64) -> Result<u64, Refused> {
    if seconds(single.this_update) > now.saturating_add(SKEW) {
        return Err("the OCSP response is of the future: compare the clocks".into());
    }
    let next = single.next_update.map(seconds);
    let until = next.unwrap_or_else(|| now.saturating_add(cache_ttl));
    if until <= now {
        return Err(Refused::Late);
    }
    Ok(until)
}

fn is_good(single: &SingleResponse, subject: &Subject) -> Result<(), Refused> {
    let (told, asked) = (&single.cert_id, &subject.id);
    let is_same = told.issuer_name_hash == asked.issuer_name_hash
        && told.issuer_key_hash == asked.issuer_key_hash;
    // Another hash is told apart by the signature, which only the issuer can give.
    if told.hash_algorithm.oid == asked.hash_algorithm.oid && !is_same {
        return Err("the OCSP response is about a certificate of another issuer".into());
    }
    match single.cert_status {
        CertStatus::Good(_) => Ok(()),
        CertStatus::Revoked(_) => Err(Refused::Revoked),
        CertStatus::Unknown(_) => Err("certificate status \"unknown\" in the OCSP response".into()),
    }
}

/// Whether the issuer signed it, or whom the issuer lets sign responses.
fn is_signed(
    basic: &BasicOcspResponse,
    issuer: &CertificateDer<'_>,
    now: u64,
) -> Result<(), Refused> {
    let refuse = |error: x509_cert::der::Error| Refused::Unusable(error.to_string());
    let message = basic.tbs_response_data.to_der().map_err(refuse)?;
    let mut algorithm = Vec::new();
    let encoded = basic.signature_algorithm.encode_value(&mut algorithm);
    encoded.map_err(refuse)?;
    let signature = basic.signature.as_bytes().unwrap_or_default();
    if signed_by(issuer, &algorithm, &message, signature) {
        return Ok(());
    }
    for delegate in basic.certs.iter().flatten() {
        let delegate = CertificateDer::from(delegate.to_der().map_err(refuse)?);
        if may_sign(&delegate, issuer, now) && signed_by(&delegate, &algorithm, &message, signature)
        {
            return Ok(());
        }
    }
    Err("the OCSP response is signed by nobody who may: expected the issuer, or a certificate of it \
         for signing OCSP"
        .into())
}

fn signed_by(
    certificate: &CertificateDer<'_>,
    algorithm: &[u8],
    message: &[u8],
    signature: &[u8],
) -> bool {
    let Ok(key) = EndEntityCert::try_from(certificate) else {
        return false;
    };
    let provider = weir_net::tls::provider();
    let known = provider.signature_verification_algorithms.all.iter();
    known
        .filter(|known| known.signature_alg_id().as_ref() == algorithm)
        .any(|known| key.verify_signature(*known, message, signature).is_ok())
}

fn may_sign(delegate: &CertificateDer<'_>, issuer: &CertificateDer<'_>, now: u64) -> bool {
    let (Ok(delegate), Ok(anchor)) = (
        EndEntityCert::try_from(delegate),
        anchor_from_trusted_cert(issuer),
    ) else {
        return false;
    };
    let provider = weir_net::tls::provider();
    let anchors = [anchor];
    let verified = delegate.verify_for_usage(
        provider.signature_verification_algorithms.all,
        &anchors,
        &[],
        UnixTime::since_unix_epoch(Duration::from_secs(now)),
        KeyUsage::required(OCSP_SIGNING),
        None,
        None,
    );
    verified.is_ok()
}
