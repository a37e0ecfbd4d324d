//! A few members of a JSON object, read without making anything of the others. The others are held to
//! the same rules as when all is read: depth, numbers and escapes.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The value of a member.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar<'t> {
    /// Text.
    Text(Cow<'t, str>),
    /// A number.
    Number(f64),
    /// Anything else.
    Other,
}

impl Scalar<'_> {
    /// The text, if it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is one.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }
}

/// Members of these names, each with its last value; `None` when the text is no object in JSON.
pub(crate) fn members<'t, const N: usize>(
    text: &'t str,
    names: [&str; N],
) -> Option<[Option<Scalar<'t>>; N]> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let found = reader.deserialize_map(Wanted(names)).ok()?;
    reader.end().ok()?;
    Some(found)
}

/// What is looked for.
#[derive(Clone, Copy)]
struct Wanted<'n, const N: usize>([&'n str; N]);

impl<'de, const N: usize> Visitor<'de> for Wanted<'_, N> {
    type Value = [Option<Scalar<'de>>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [const { None }; N];
        while let Some(named) = map.next_key_seed(Name(self.0))? {
            if !named.contains(&true) {
                map.next_value::<Scalar<'de>>()?;
                continue;
            }
            let value: Scalar<'de> = map.next_value()?;
            for (place, _) in found.iter_mut().zip(named).filter(|(_, named)| *named) {
                *place = Some(value.clone());
            }
        }
        Ok(found)
    }
}

/// A name, held against those that are looked for.
struct Name<'n, const N: usize>([&'n str; N]);

impl<'de, const N: usize> DeserializeSeed<'de> for Name<'_, N> {
    type Value = [bool; N];

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<const N: usize> Visitor<'_> for Name<'_, N> {
    type Value = [bool; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.map(|wanted| wanted == name))
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Other)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Other)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<Scalar<'de>>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<Scalar<'de>, Scalar<'de>>()?.is_some() {}
        Ok(Scalar::Other)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn members_are_what_a_whole_reading_has() {
        for text in [
            r#"{"alg": "HS256", "typ": "JWT"}"#,
            r#"{"alg": "HS\u0032\"56", "exp": 12, "x": {"alg": 1, "y": [1, {"exp": 3}]}}"#,
            r#"{"alg": "first", "alg": "last", "exp": -1, "exp": 2.5}"#,
            r#"{"alg": null, "exp": true}"#,
            r#"{"alg": [1, "a"], "exp": {"a": [{}]}}"#,
            r#"{"\u0061lg": "escaped", "exp": 18446744073709551615}"#,
            "{}",
        ] {
            let whole: Value = serde_json::from_str(text).unwrap();
            let found = members(text, ["alg", "exp", "none", "alg"]).unwrap();
            for (name, found) in ["alg", "exp", "none", "alg"].into_iter().zip(found) {
                let expected = whole.get(name);
                assert_eq!(found.is_some(), expected.is_some(), "{text} {name}");
                let found = found.unwrap_or(Scalar::Other);
                let text_of = expected.and_then(Value::as_str);
                assert_eq!(found.text(), text_of, "{text} {name}");
                let number = expected.and_then(Value::as_f64);
                assert_eq!(found.number(), number, "{text} {name}");
            }
        }
    }

    #[test]
    fn what_is_no_object_has_no_members() {
        for text in [
            "",
            "[]",
            "7",
            "null",
            "\"alg\"",
            "{",
            "{}x",
            "{\"a\"}",
            "{\"a\": 1,}",
            "{\"a\": [}",
            "{a: 1}",
            "{1: 1}",
        ] {
            assert_eq!(members(text, ["alg"]), None, "{text}");
        }
    }

    #[test]
    fn what_is_refused_as_a_whole_is_refused_in_parts() {
        for value in [
            format!("{}1{}", "[".repeat(125), "]".repeat(125)),
            format!("{}1{}", "[".repeat(126), "]".repeat(126)),
            format!("{}1{}", "[".repeat(127), "]".repeat(127)),
            format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)),
            format!("{}1{}", r#"{"a":"#.repeat(200), "}".repeat(200)),
            r#""\ud800""#.into(),
            r#""\ud83d\ude00""#.into(),
            r#"{"\ud800": 1}"#.into(),
            "\"\u{1}\"".into(),
            "1e999".into(),
            "-".into(),
            "01".into(),
            "1e5".into(),
        ] {
            for name in ["alg", "other"] {
                let text = format!("{{\"{name}\": {value}}}");
                let whole = serde_json::from_str::<Value>(&text).is_ok();
                assert_eq!(members(&text, ["alg"]).is_some(), whole, "{text:.60}");
            }
        }
    }
}
