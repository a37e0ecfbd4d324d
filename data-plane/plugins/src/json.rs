//! JSON texts of strangers, read within bounds.
//!
//! The reader's own bound on nesting (128) keeps the stack; this one keeps the memory: a value of one
//! byte in the text takes some thirty in memory.

use std::io;

use serde::de::DeserializeOwned;

/// Values that one text may hold.
pub(crate) const MAX_VALUES: usize = 200_000;

/// Reads a text of a bounded number of values.
///
/// # Errors
/// It is no JSON, or too much of it.
pub(crate) fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, serde_json::Error> {
    if values(text) > MAX_VALUES {
        let text = format!("it holds more than {MAX_VALUES} values");
        return Err(serde::de::Error::custom(text));
    }
    serde_json::from_slice(text)
}

/// The text of a value.
///
/// # Errors
/// It cannot be written: it never happens to what was read.
pub(crate) fn print<T: serde::Serialize>(value: &T) -> io::Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(io::Error::from)
}

/// No fewer than the values in a text: what separates or opens values, outside of texts.
fn values(text: &[u8]) -> usize {
    let mut count = 1;
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b',' | b'[' | b'{' => count += 1,
            b'"' => {
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'\\' => _ = bytes.next(),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn texts_of_many_values_are_refused() {
        let fits = format!("[{}0]", "0,".repeat(1000));
        assert!(parse::<Value>(fits.as_bytes()).is_ok());
        let many = format!("[{}0]", "0,".repeat(MAX_VALUES));
        let error = parse::<Value>(many.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("more than 200000 values"), "{error}");
        let one = format!("\"{}\"", ",[{\\\"".repeat(MAX_VALUES));
        assert!(parse::<Value>(one.as_bytes()).is_ok());
    }

    #[test]
    fn deep_texts_are_refused() {
        let deep = "[".repeat(100_000);
        assert!(parse::<Value>(deep.as_bytes()).is_err());
    }
}
