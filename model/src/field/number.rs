//! Numbers as APISIX (Lua) sees them: every number is a double, and 1.0 is an integer.

use serde_json::{Number, Value};

/// The integer that a number is, if it is one that fits.
#[must_use]
pub fn integral(number: &Number) -> Option<i64> {
    if let Some(integer) = number.as_i64() {
        return Some(integer);
    }
    let float = number.as_f64()?;
    // Doubles hold integers exactly up to 2^53; anything larger is not an id or a count.
    (float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0).then_some(float as i64)
}

/// Whether a number has no fraction.
#[must_use]
pub fn is_integer(number: &Number) -> bool {
    number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|f| f.fract() == 0.0)
}

/// A number as Lua prints it (`%.14g`).
#[must_use]
pub fn print(number: &Number) -> String {
    number
        .as_f64()
        .map_or_else(|| number.to_string(), print_f64)
}

/// A double as Lua prints it (`%.14g`).
#[must_use]
pub fn print_f64(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if !value.is_finite() {
        return if value.is_nan() {
            "nan"
        } else if value > 0.0 {
            "inf"
        } else {
            "-inf"
        }
        .to_owned();
    }
    let scientific = format!("{value:.13e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..14).contains(&exponent) {
        let decimals = usize::try_from(13 - exponent).unwrap_or(0);
        return trim_zeros(&format!("{value:.decimals$}")).to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trim_zeros(mantissa), exponent.abs())
}

fn trim_zeros(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

/// The number that Lua's `tonumber` reads from a text: decimal with exponent, or hexadecimal.
#[must_use]
pub fn parse(text: &str) -> Option<f64> {
    let text = text.trim_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']);
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some(hex) = unsigned
        .strip_prefix("0x")
        .or_else(|| unsigned.strip_prefix("0X"))
    {
        if hex.starts_with('+') {
            return None;
        }
        let value = u64::from_str_radix(hex, 16).ok()? as f64;
        return Some(if text.starts_with('-') { -value } else { value });
    }
    // Rust also reads `inf`, `nan` and the like.
    let plain = unsigned
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'));
    if !plain || unsigned.is_empty() {
        return None;
    }
    text.parse().ok()
}

/// The Lua name of a value's type, as error texts print it.
#[must_use]
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "userdata",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) | Value::Object(_) => "table",
    }
}

/// Equality as Lua has it: 1 and 1.0 are equal, texts and numbers never.
#[must_use]
pub fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(l, r)| equal(l, r))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(name, l)| right.get(name).is_some_and(|r| equal(l, r)))
        }
        (Value::Array(array), Value::Object(object))
        | (Value::Object(object), Value::Array(array)) => array.is_empty() && object.is_empty(),
        _ => left == right,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_print_as_lua_prints_them() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (-1.0, "-1"),
            (1.5, "1.5"),
            (0.1, "0.1"),
            (100.0, "100"),
            (1e13, "10000000000000"),
            (1e14, "1e+14"),
            (1.5e20, "1.5e+20"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
        ] {
            assert_eq!(print_f64(value), text);
        }
    }

    #[test]
    fn text_becomes_a_number_as_in_lua() {
        for (text, number) in [
            ("10", Some(10.0)),
            (" 10 ", Some(10.0)),
            ("1e2", Some(100.0)),
            ("0x10", Some(16.0)),
            ("-0x10", Some(-16.0)),
            (".5", Some(0.5)),
            ("", None),
            ("ten", None),
            ("inf", None),
            ("1 2", None),
            ("-", None),
        ] {
            assert_eq!(parse(text), number, "{text:?}");
        }
    }

    #[test]
    fn whole_floats_are_integers() {
        let integer = |value: Value| match value {
            Value::Number(number) => integral(&number),
            _ => None,
        };
        assert_eq!(integer(json!(2.0)), Some(2));
        assert_eq!(integer(json!(2.5)), None);
        assert_eq!(integer(json!(1e300)), None);
    }

    #[test]
    fn equality_ignores_how_a_number_is_written() {
        assert!(equal(&json!([1, {"a": 2.0}]), &json!([1.0, {"a": 2}])));
        assert!(!equal(&json!("1"), &json!(1)));
        assert!(equal(&json!({}), &json!([])));
    }
}
