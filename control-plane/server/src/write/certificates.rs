//! Certificates that are well-formed but of no use, or not for long: said when they are written.

use std::time::Duration;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use weir_model::Problem;
use weir_model::ssl::Ssl;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::time::Time;

const DAY: u64 = 24 * 60 * 60;
/// Days before the end at which it is told.
const DAYS: u64 = 14;

/// What is to be said of the certificates of an ssl object at `now_ms`, milliseconds since the
/// epoch: at most one thing for each chain, of the first certificate that there is something to say
/// of. What cannot be read is not looked at.
pub(super) fn expiring(ssl: &Ssl, now_ms: u64) -> Vec<Problem> {
    let now = Duration::from_millis(now_ms);
    let chains = ssl.pairs.iter().enumerate().map(|(position, pair)| {
        let path = match position.checked_sub(1) {
            None => "cert".to_owned(),
            Some(further) => format!("certs[{further}]"),
        };
        (path, pair.cert.as_str())
    });
    let trusted = ssl.client.iter();
    let trusted = trusted.map(|client| ("client.ca".to_owned(), client.ca.as_str()));
    chains
        .chain(trusted)
        .filter_map(|(path, pem)| Some(Problem::new(path, first(pem, now)?)))
        .collect()
}

fn first(pem: &str, now: Duration) -> Option<String> {
    let certificates = CertificateDer::pem_slice_iter(pem.as_bytes()).filter_map(Result::ok);
    let certificates = certificates.filter_map(|der| Certificate::from_der(&der).ok());
    for (position, certificate) in certificates.enumerate() {
        let validity = &certificate.tbs_certificate.validity;
        let (from, until) = (validity.not_before, validity.not_after);
        let left = until.to_unix_duration().checked_sub(now);
        let what = match left.map(|left| left.as_secs() / DAY) {
            None => format!("expired on {}", text(until)),
            Some(_) if from.to_unix_duration() > now => {
                format!("is not valid before {}", text(from))
            }
            Some(days) if days < DAYS => {
                format!("expires on {}, days left: {days}", text(until))
            }
            Some(_) => continue,
        };
        return Some(if position == 0 {
            format!("the certificate {what}")
        } else {
            format!("certificate {} of the chain {what}", position + 1)
        });
    }
    None
}

fn text(time: Time) -> String {
    time.to_date_time().to_string()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};
    use serde_json::json;

    use super::*;

    /// Valid in the year 2030.
    fn of_2030() -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2030, 1, 1);
        params.not_after = date_time_ymd(2031, 1, 1);
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    fn said(ssl: &Ssl, year: i32, month: u8, day: u8) -> Vec<String> {
        let now = date_time_ymd(year, month, day).unix_timestamp();
        let problems = expiring(ssl, u64::try_from(now).unwrap() * 1000);
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_end_of_a_certificate_is_told_two_weeks_before() {
        let (cert, key) = of_2030();
        let ssl = json!({"snis": ["a.test"], "cert": cert, "key": key});
        let ssl = Ssl::parse(&ssl).unwrap();
        for (at, expected) in [
            (
                (2029, 12, 31),
                Some("cert: the certificate is not valid before 2030-01-01T00:00:00Z"),
            ),
            ((2030, 1, 2), None),
            ((2030, 12, 18), None),
            (
                (2030, 12, 19),
                Some("cert: the certificate expires on 2031-01-01T00:00:00Z, days left: 13"),
            ),
            (
                (2031, 1, 2),
                Some("cert: the certificate expired on 2031-01-01T00:00:00Z"),
            ),
        ] {
            let said = said(&ssl, at.0, at.1, at.2);
            assert_eq!(said, Vec::from_iter(expected), "{at:?}");
        }
    }

    #[test]
    fn every_chain_and_the_authorities_are_looked_at() {
        let (cert, key) = of_2030();
        let chain = format!("{cert}{cert}");
        let ssl = json!({"snis": ["a.test"], "cert": cert, "key": key, "certs": [chain],
            "keys": [key], "client": {"ca": cert}});
        let ssl = Ssl::parse(&ssl).unwrap();
        let said = said(&ssl, 2040, 1, 1);
        let places = said.iter().map(|text| text.split(':').next().unwrap());
        assert_eq!(
            places.collect::<Vec<_>>(),
            ["cert", "certs[0]", "client.ca"]
        );
    }
}
