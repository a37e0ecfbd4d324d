//! Parts of a request as JSON, for those who are told of it.

use http::HeaderMap;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// Header fields by name; a list where there are several of one.
pub(crate) fn headers(headers: &HeaderMap) -> Value {
    let mut map = Map::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        add(&mut map, name.as_str().to_owned(), value.into());
    }
    Value::Object(map)
}

/// Arguments of a query by name; a list where there are several of one, `true` without a value.
pub(crate) fn arguments(query: &str) -> Value {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text).decode_utf8_lossy().into_owned()
    };
    let mut map = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = match pair.split_once('=') {
            Some((name, value)) => (decode(name), decode(value).into()),
            None => (decode(pair), Value::Bool(true)),
        };
        add(&mut map, name, value);
    }
    Value::Object(map)
}

fn add(map: &mut Map<String, Value>, name: String, value: Value) {
    match map.get_mut(&name) {
        None => _ = map.insert(name, value),
        Some(Value::Array(values)) => values.push(value),
        Some(first) => {
            let before = first.take();
            *first = Value::Array(vec![before, value]);
        }
    }
}
