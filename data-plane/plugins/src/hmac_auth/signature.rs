//! The `Authorization` field of a signed request, and the text that was signed.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use weir_plugin_api::RequestHead;

use super::config::Algorithm;

/// Parameters of `Authorization: Signature keyId="...",algorithm="...",headers="...",signature="..."`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Signature<'h> {
    pub(super) key_id: &'h str,
    pub(super) algorithm: Algorithm,
    /// Names of the signed headers, in the order in which they were signed.
    pub(super) headers: Vec<&'h str>,
    pub(super) signature: Vec<u8>,
}

impl<'h> Signature<'h> {
    /// Reads the parameters behind the word `Signature`.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn parse(text: &'h str) -> Result<Self, &'static str> {
        let (mut key_id, mut algorithm, mut signature) = (None, None, None);
        let mut headers = Vec::new();
        for part in text.split(',') {
            let Some((name, value)) = part.split_once('=') else {
                continue;
            };
            let value = value.trim().trim_matches('"');
            match name.trim() {
                "keyId" => key_id = Some(value),
                "algorithm" => algorithm = Some(value),
                "headers" => headers = value.split_ascii_whitespace().collect(),
                "signature" => signature = Some(value),
                _ => {}
            }
        }
        let algorithm = algorithm.ok_or("algorithm missing")?;
        let signature = signature.ok_or("signature missing")?;
        Ok(Self {
            key_id: key_id.ok_or("keyId missing")?,
            algorithm: Algorithm::named(algorithm).ok_or("algorithm not known")?,
            headers,
            signature: STANDARD
                .decode(signature)
                .map_err(|_| "signature is not base64")?,
        })
    }

    /// The text that the client signed: a line for the key, and for each header that is there.
    pub(super) fn text(&self, request: &RequestHead) -> Vec<u8> {
        let mut text = format!("{}\n", self.key_id).into_bytes();
        for name in &self.headers {
            if *name == "@request-target" {
                text.extend_from_slice(request.method.as_str().as_bytes());
                text.push(b' ');
                text.extend_from_slice(request.raw_target.as_bytes());
            } else {
                let Some(value) = field(request, name) else {
                    continue;
                };
                text.extend_from_slice(name.as_bytes());
                text.extend_from_slice(b": ");
                text.extend_from_slice(&value);
            }
            text.push(b'\n');
        }
        text
    }
}

/// A header as the client sent it, all of its values: none comes in behind the signature. HTTP/2 has
/// the host elsewhere.
fn field<'r>(request: &'r RequestHead, name: &str) -> Option<Cow<'r, [u8]>> {
    if name.eq_ignore_ascii_case("host") {
        return Some(Cow::Borrowed(request.authority.as_bytes()));
    }
    let mut values = request.headers.get_all(name).iter();
    let first = values.next()?.as_bytes();
    Some(values.fold(Cow::Borrowed(first), |mut all, next| {
        all.to_mut().extend_from_slice(b", ");
        all.to_mut().extend_from_slice(next.as_bytes());
        all
    }))
}
