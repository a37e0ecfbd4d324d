//! Header operations of the rewriting plugins: add, set and remove, with `$variables` in values.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Number, Value};
use weir_model::field::template::Template;
use weir_model::field::variable::Variables;

/// What happens to one header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Add,
    Set,
    Remove,
}

/// One operation on one header.
#[derive(Debug, Clone)]
pub(crate) struct HeaderEdit {
    pub(crate) name: HeaderName,
    pub(crate) action: Action,
    values: Vec<Template>,
}

impl HeaderEdit {
    /// The values for this request, safe to be sent. One that comes out empty is none, as in nginx: an
    /// operator takes a header away by setting it to nothing.
    pub(crate) fn render(&self, variables: &dyn Variables) -> Vec<HeaderValue> {
        let values = self.rendered(variables);
        values.filter(|value| !value.is_empty()).collect()
    }

    /// The values for this request, empty ones too.
    pub(crate) fn rendered(&self, variables: &dyn Variables) -> impl Iterator<Item = HeaderValue> {
        let values = self.values.iter();
        values.map(move |template| header_value(&template.render(variables).text))
    }

    /// Changes `headers`, with the values that [`Self::render`] gave.
    pub(crate) fn apply(&self, headers: &mut HeaderMap, values: Vec<HeaderValue>) {
        if self.action != Action::Add {
            headers.remove(&self.name);
        }
        for value in values {
            headers.append(self.name.clone(), value);
        }
    }
}

/// Reads `{add, set, remove}` or the flat form `{name: value}`, which means set: the field
/// `headers` of a plugin. Operations run in the order add, set, remove.
///
/// # Errors
/// APISIX's text for a name or value that cannot stand in a header, and where it stands.
pub(crate) fn parse(headers: &Map<String, Value>) -> Result<Vec<HeaderEdit>, String> {
    let part = |name: &str| headers.get(name).filter(|v| v.is_object() || v.is_array());
    let (add, set, remove) = (part("add"), part("set"), part("remove"));
    if add.is_none() && set.is_none() && remove.is_none() {
        return parse_set("headers", headers);
    }
    let mut edits = Vec::new();
    for (place, part, action) in [
        ("headers.add", add, Action::Add),
        ("headers.set", set, Action::Set),
    ] {
        match part {
            Some(Value::Object(fields)) => read_object(place, fields, action, &mut edits)?,
            Some(Value::Array(lines)) => read_lines(place, lines, action, &mut edits)?,
            _ => {}
        }
    }
    let removed = remove.and_then(Value::as_array).into_iter().flatten();
    for (position, name) in removed.enumerate() {
        let name = field_name(name.as_str().unwrap_or_default());
        edits.push(HeaderEdit {
            name: name.map_err(|error| format!("{error} (headers.remove[{position}])"))?,
            action: Action::Remove,
            values: Vec::new(),
        });
    }
    Ok(edits)
}

/// Reads `{name: value}` in the field `place`, which means set whatever the names are.
///
/// # Errors
/// As [`parse`].
pub(crate) fn parse_set(
    place: &str,
    headers: &Map<String, Value>,
) -> Result<Vec<HeaderEdit>, String> {
    let mut edits = Vec::new();
    read_object(place, headers, Action::Set, &mut edits)?;
    Ok(edits)
}

/// Reads one header to add.
///
/// # Errors
/// As [`parse`], without the place.
pub(crate) fn parse_added(name: &str, value: &Value) -> Result<HeaderEdit, String> {
    Ok(HeaderEdit {
        name: field_name(name)?,
        action: Action::Add,
        values: vec![field_value(value)?],
    })
}

/// Reads `{name: value}` in the field `place` as headers of which nothing depends on the request.
///
/// # Errors
/// As [`parse`].
pub(crate) fn parse_constant(
    place: &str,
    headers: &Map<String, Value>,
) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let edits = parse_set(place, headers)?;
    let pairs = edits.into_iter().flat_map(|edit| {
        let name = edit.name;
        let values = edit.values.into_iter();
        let values = values.filter(|value| !value.source().is_empty());
        values.map(move |value| (name.clone(), header_value(value.source())))
    });
    Ok(pairs.collect())
}

/// Sets headers that [`parse_constant`] gave.
pub(crate) fn set_constant(headers: &mut HeaderMap, constant: &[(HeaderName, HeaderValue)]) {
    for (name, _) in constant {
        headers.remove(name);
    }
    for (name, value) in constant {
        headers.append(name.clone(), value.clone());
    }
}

fn read_object(
    place: &str,
    fields: &Map<String, Value>,
    action: Action,
    edits: &mut Vec<HeaderEdit>,
) -> Result<(), String> {
    for (name, value) in fields {
        let values: Result<_, String> = match value {
            Value::Array(items) => items.iter().map(field_value).collect(),
            single => field_value(single).map(|value| vec![value]),
        };
        let read = values.and_then(|values| Ok((field_name(name)?, values)));
        let (name, values) = read.map_err(|error| format!("{error} ({place}[{name:?}])"))?;
        edits.push(HeaderEdit {
            name,
            action,
            values,
        });
    }
    Ok(())
}

/// Reads `"Name: value"` lines.
fn read_lines(
    place: &str,
    lines: &[Value],
    action: Action,
    edits: &mut Vec<HeaderEdit>,
) -> Result<(), String> {
    for (position, line) in lines.iter().enumerate() {
        let read = read_line(line.as_str().unwrap_or_default());
        let (name, value) = read.map_err(|error| format!("{error} ({place}[{position}])"))?;
        edits.push(HeaderEdit {
            name,
            action,
            values: vec![value],
        });
    }
    Ok(())
}

/// The name of a header from a configuration.
///
/// # Errors
/// It is not one.
pub(crate) fn header_name(field: &str, text: &str) -> Result<HeaderName, String> {
    HeaderName::from_bytes(text.as_bytes())
        .map_err(|_| format!("{field} must be a header name, got {text:?}"))
}

/// A header value of a configuration that is a secret: it is not shown.
///
/// # Errors
/// It cannot stand in a header.
pub(crate) fn secret_value(field: &str, text: &str) -> Result<HeaderValue, String> {
    let value = HeaderValue::from_str(text);
    let mut value = value.map_err(|_| format!("{field} must be able to stand in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// `Authorization` of basic authentication (RFC 7617) for a text `NAME:SECRET`.
///
/// # Errors
/// None: what is encoded can stand in a header.
pub(crate) fn basic_value(field: &str, pair: &str) -> Result<HeaderValue, String> {
    secret_value(field, &format!("Basic {}", STANDARD.encode(pair)))
}

fn read_line(line: &str) -> Result<(HeaderName, Template), String> {
    let Some((name, value)) = line.split_once(':') else {
        return Err(format!("invalid header {line:?}, expected \"Name: value\""));
    };
    let value = Value::String(value.trim().to_owned());
    Ok((field_name(name.trim_end())?, field_value(&value)?))
}

fn field_name(name: &str) -> Result<HeaderName, String> {
    if name.is_empty() {
        return Err("invalid field length in header".into());
    }
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| "invalid field character in header".into())
}

fn field_value(value: &Value) -> Result<Template, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number_text(number),
        _ => return Err("invalid type as header value".into()),
    };
    if text.bytes().any(is_control) {
        return Err("invalid value character in header".into());
    }
    Ok(Template::parse(&text))
}

/// A number as the operator means it: `1.0` is `1`.
fn number_text(number: &Number) -> String {
    let text = number.to_string();
    match text.strip_suffix(".0") {
        Some(whole) => whole.to_owned(),
        None => text,
    }
}

/// A header value of any text: control characters are percent-encoded, so that nothing a client
/// sends can end a header line.
pub(crate) fn header_value(text: &str) -> HeaderValue {
    header_bytes(text.as_bytes())
}

/// [`header_value`] of any bytes.
pub(crate) fn header_bytes(bytes: &[u8]) -> HeaderValue {
    if let Ok(value) = HeaderValue::from_bytes(bytes) {
        return value;
    }
    let mut safe = Vec::with_capacity(bytes.len() + 8);
    for &byte in bytes {
        if is_control(byte) {
            safe.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            safe.push(byte);
        }
    }
    // Without control characters every byte string is a header value.
    HeaderValue::from_bytes(&safe).unwrap_or(HeaderValue::from_static(""))
}

fn is_control(byte: u8) -> bool {
    (byte < b' ' && byte != b'\t') || byte == 0x7f
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use weir_plugin_api::testkit::{FakeHost, request};

    use super::*;

    fn edit(config: Value, before: &[(&str, &str)]) -> Vec<(String, String)> {
        let edits = parse(config.as_object().unwrap()).unwrap();
        let mut builder = request("/?who=me");
        for (name, value) in before {
            builder = builder.header(name, value);
        }
        let mut context = builder.context(FakeHost::shared());
        for edit in &edits {
            let values = edit.render(&context);
            edit.apply(&mut context.request.headers, values);
        }
        let mut after: Vec<_> = context
            .request
            .headers
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.to_string(), value)
            })
            .collect();
        after.sort();
        after
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn add_set_and_remove_run_in_this_order() {
        let config = json!({
            "remove": ["X-C"],
            "set": {"X-B": "new", "X-C": "gone"},
            "add": {"X-A": "2", "X-C": "gone too"},
        });
        let after = edit(config, &[("x-a", "1"), ("x-b", "old")]);
        assert_eq!(after, pairs(&[("x-a", "1"), ("x-a", "2"), ("x-b", "new")]));
    }

    #[test]
    fn the_flat_form_sets() {
        let after = edit(
            json!({"X-A": "$arg_who", "X-N": 5, "X-F": 1.0}),
            &[("x-a", "1")],
        );
        assert_eq!(after, pairs(&[("x-a", "me"), ("x-f", "1"), ("x-n", "5")]));
    }

    #[test]
    fn a_flat_header_may_be_called_set() {
        assert_eq!(edit(json!({"set": "x"}), &[]), pairs(&[("set", "x")]));
    }

    #[test]
    fn an_empty_value_takes_the_header_away() {
        let config = json!({
            "add": {"X-A": "$arg_none"},
            "set": {"X-B": "", "X-C": "$arg_none", "X-D": ["", "$arg_who"]},
        });
        let after = edit(config, &[("x-a", "1"), ("x-b", "1"), ("x-c", "1")]);
        assert_eq!(after, pairs(&[("x-a", "1"), ("x-d", "me")]));
    }

    #[test]
    fn lists_give_several_headers() {
        let after = edit(json!({"set": {"X-A": ["a", 2]}}), &[("x-a", "1")]);
        assert_eq!(after, pairs(&[("x-a", "2"), ("x-a", "a")]));
    }

    #[test]
    fn lines_hold_name_and_value() {
        let after = edit(json!({"add": ["X-A :  b c "]}), &[]);
        assert_eq!(after, pairs(&[("x-a", "b c")]));
    }

    #[test]
    fn names_and_values_are_checked() {
        let text = |config: Value| parse(config.as_object().unwrap()).unwrap_err();
        for (config, expected) in [
            (
                json!({"": "x"}),
                r#"invalid field length in header (headers[""])"#,
            ),
            (
                json!({"X A": "x"}),
                r#"invalid field character in header (headers["X A"])"#,
            ),
            (
                json!({"set": {"X-A": "a\r\nb"}}),
                r#"invalid value character in header (headers.set["X-A"])"#,
            ),
            (
                json!({"add": ["X-A: b", "X A: b"]}),
                "invalid field character in header (headers.add[1])",
            ),
            (
                json!({"remove": ["a\nb"]}),
                "invalid field character in header (headers.remove[0])",
            ),
        ] {
            assert_eq!(text(config), expected);
        }
    }

    #[test]
    fn control_characters_never_reach_a_header() {
        assert_eq!(header_value("a\r\nX: b\0"), "a%0D%0AX: b%00");
        assert_eq!(header_value("a\tb").as_bytes(), b"a\tb");
        assert_eq!(header_value("é").as_bytes(), "é".as_bytes());
    }
}
