//! AWS Signature Version 4
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>): for
//! `aws-lambda`, and for the agent that asks Secrets Manager.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderName, HeaderValue, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use weir_plugin_api::outside::HttpCall;
use weir_plugin_api::vars::civil;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// All but what RFC 3986 calls unreserved.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The same with `/`, for paths.
const ENCODED_PATH: &AsciiSet = &ENCODED.remove(b'/');

/// Who signs, and for what.
pub struct Signer {
    /// Id of the key.
    pub access_key: String,
    /// The key.
    pub secret_key: String,
    /// Region of the service.
    pub region: String,
    /// The service, as AWS calls it in signatures.
    pub service: String,
}

/// A moment in the two forms that signatures have: `20150830T123600Z` and its first eight digits.
pub struct Moment(String);

impl Moment {
    /// The moment at so many milliseconds since the epoch.
    #[must_use]
    pub fn of(unix_ms: u64) -> Self {
        let seconds = unix_ms / 1000;
        let (year, month, day) = civil(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        Self(format!(
            "{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z"
        ))
    }

    fn day(&self) -> &str {
        self.0.get(..8).unwrap_or_default()
    }
}

impl Signer {
    /// Signs a call: adds `x-amz-date` and the `authorization` that is returned. Signed are the host,
    /// `content-type` and what begins with `x-amz-`: AWS asks for these, and others may be changed on
    /// the way.
    ///
    /// # Errors
    /// The keys cannot stand in a header.
    pub fn sign(&self, call: &mut HttpCall, moment: &Moment) -> Result<HeaderValue, String> {
        let date = HeaderValue::from_str(&moment.0).map_err(|error| error.to_string())?;
        call.headers
            .insert(HeaderName::from_static("x-amz-date"), date);
        let mut fields = vec![(HOST.as_str().to_owned(), host(&call.uri))];
        for name in call.headers.keys() {
            if *name == CONTENT_TYPE || name.as_str().starts_with("x-amz-") {
                let values = call.headers.get_all(name).iter();
                let values: Vec<String> = values.map(trimmed).collect();
                fields.push((name.as_str().to_owned(), values.join(",")));
            }
        }
        fields.sort();
        let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(";");
        let mut request = format!(
            "{}\n{}\n{}\n",
            call.method,
            self.path(call.uri.path()),
            query(call.uri.query().unwrap_or_default())
        );
        for (name, value) in &fields {
            let _ = writeln!(request, "{name}:{value}");
        }
        let _ = write!(
            request,
            "\n{names}\n{}",
            hex(digest(&SHA256, &call.body).as_ref())
        );
        let scope = format!(
            "{}/{}/{}/aws4_request",
            moment.day(),
            self.region,
            self.service
        );
        let text = format!(
            "{ALGORITHM}\n{}\n{scope}\n{}",
            moment.0,
            hex(digest(&SHA256, request.as_bytes()).as_ref())
        );
        let signature = hex(mac(&self.key(moment), &text).as_ref());
        let value = format!(
            "{ALGORITHM} Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            self.access_key
        );
        let mut value = HeaderValue::from_str(&value)
            .map_err(|_| "the access key cannot stand in a header".to_owned())?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The key of one day, region and service.
    pub(crate) fn key(&self, moment: &Moment) -> Vec<u8> {
        let secret = format!("AWS4{}", self.secret_key).into_bytes();
        let parts = [moment.day(), &self.region, &self.service, "aws4_request"];
        parts
            .into_iter()
            .fold(secret, |key, part| mac(&key, part).as_ref().to_vec())
    }

    /// The path as it is signed: encoded once more than it is sent, save for S3.
    fn path(&self, sent: &str) -> String {
        if self.service == "s3" {
            return sent.to_owned();
        }
        utf8_percent_encode(sent, ENCODED_PATH).to_string()
    }
}

/// `Host` as it is sent: without the port that is the scheme's own.
fn host(uri: &Uri) -> String {
    let host = uri.host().unwrap_or_default();
    let usual = match uri.scheme_str() {
        Some("https") => 443,
        _ => 80,
    };
    match uri.port_u16() {
        Some(port) if port != usual => format!("{host}:{port}"),
        _ => host.to_owned(),
    }
}

/// A value without blanks around it, and with one where there are several.
fn trimmed(value: &HeaderValue) -> String {
    let text = String::from_utf8_lossy(value.as_bytes());
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// The query as it is signed: decoded, encoded in one way, ordered.
fn query(sent: &str) -> String {
    let again = |text: &str| {
        let bytes: Vec<u8> = percent_decode_str(text).collect();
        percent_encoding::percent_encode(&bytes, ENCODED).to_string()
    };
    let pairs = sent.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<(String, String)> = pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (again(name), again(value))
        })
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

fn mac(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
