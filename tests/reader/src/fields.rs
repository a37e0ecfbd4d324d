//! Header and trailer fields (RFC 9112 section 5).

use crate::grammar::{is_blank, is_text, length, line, token, trim};
use crate::{Fault, Read};

/// Fields in their order, names in lower case, values without blanks around them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<(String, Vec<u8>)>);

impl Fields {
    /// Reads fields and the empty line behind them.
    pub(crate) fn read(input: &[u8]) -> Read<Self> {
        let mut fields = Vec::new();
        let mut at = 0;
        loop {
            let rest = input.get(at..).unwrap_or_default();
            let (text, size) = match line(rest) {
                Read::Whole(text, size) => (text, size),
                Read::Partial => return Read::Partial,
                Read::Refused(fault) => return Read::Refused(fault),
            };
            at += size;
            if text.is_empty() {
                return Read::Whole(Self(fields), at);
            }
            match field(text) {
                Ok(field) => fields.push(field),
                Err(fault) => return Read::Refused(fault),
            }
        }
    }

    /// Values of a field, by its name in lower case.
    pub fn all<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f [u8]> {
        self.0
            .iter()
            .filter(move |(known, _)| known == name)
            .map(|(_, value)| value.as_slice())
    }

    /// The values as text, joined by commas; `None` when the field is absent.
    #[must_use]
    pub fn joined(&self, name: &str) -> Option<String> {
        let values: Vec<_> = self.all(name).map(String::from_utf8_lossy).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// `Transfer-Encoding`: absent, or `chunked` once and nothing else.
    pub(crate) fn is_chunked(&self) -> Result<bool, Fault> {
        let codings: Vec<_> = self.all("transfer-encoding").collect();
        match codings.as_slice() {
            [] => Ok(false),
            [one] if one.eq_ignore_ascii_case(b"chunked") => Ok(true),
            [_] => Err("transfer-encoding is not chunked"),
            _ => Err("transfer-encoding is given twice"),
        }
    }

    /// `Content-Length` values, each a number.
    pub(crate) fn lengths(&self) -> Result<Vec<u64>, Fault> {
        self.all("content-length").map(length).collect()
    }
}

fn field(text: &[u8]) -> Result<(String, Vec<u8>), Fault> {
    if text.first().copied().is_some_and(is_blank) {
        return Err("obs-fold, or a blank before a name");
    }
    let colon = text
        .iter()
        .position(|byte| *byte == b':')
        .ok_or("field without colon")?;
    let (name, value) = text.split_at(colon);
    if !token(name) {
        return Err("field name is not a token");
    }
    let value = trim(value.get(1..).unwrap_or_default());
    if !value.iter().copied().all(is_text) {
        return Err("field value has a control character");
    }
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    Ok((name, value.to_vec()))
}
