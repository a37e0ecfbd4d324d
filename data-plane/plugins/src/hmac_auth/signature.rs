//! The `Authorization` field of a signed request, and the text that was signed.

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
                return Err("a parameter has no value");
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
    pub(super) fn text(&self, request: &RequestHead) -> String {
        let mut text = format!("{}\n", self.key_id);
        for name in &self.headers {
            if *name == "@request-target" {
                text.push_str(request.method.as_str());
                text.push(' ');
                text.push_str(&request.raw_target);
            } else {
                let Some(value) = field(request, name) else {
                    continue;
                };
                text.push_str(name);
                text.push_str(": ");
                text.push_str(value);
            }
            text.push('\n');
        }
        text
    }
}

/// A header as the client sent it; HTTP/2 has the host elsewhere.
fn field<'r>(request: &'r RequestHead, name: &str) -> Option<&'r str> {
    if name.eq_ignore_ascii_case("host") {
        return Some(&request.authority);
    }
    request.headers.get(name)?.to_str().ok()
}
