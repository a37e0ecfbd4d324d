//! Holding a request against its operation.

use http::HeaderMap;
use serde_json::{Map, Value};
use weir_plugin_api::{RequestHead, WholeBody};

use super::config::Config;
use super::parameter::{Kind, Place};
use super::spec::{Body, Missing, Operation, Spec};
use crate::{form, json};

/// Why a request does not pass.
pub(super) enum Misfit {
    /// Its body must be read first.
    Unread,
    /// Its body is larger than what is read.
    TooLarge,
    Because(String),
}

/// # Errors
/// What is wrong with the request.
pub(super) fn check(spec: &Spec, config: &Config, request: &RequestHead) -> Result<(), Misfit> {
    let found = spec.find(request.method.as_str(), &request.path);
    let (operation, captures) = found.map_err(|missing| {
        Misfit::Because(match missing {
            Missing::Path => format!("path {} is not in the spec", request.path),
            Missing::Method => format!(
                "method {} of path {} is not in the spec",
                request.method, request.path
            ),
        })
    })?;
    if !config.skip_path_params_validation {
        of_path(operation, &captures).map_err(Misfit::Because)?;
    }
    if !config.skip_query_param_validation {
        of_query(operation, request).map_err(Misfit::Because)?;
    }
    if !config.skip_request_header_validation {
        of_head(operation, &request.headers).map_err(Misfit::Because)?;
    }
    match &operation.body {
        Some(body) if !config.skip_request_body_validation => of_body(body, config, request),
        _ => Ok(()),
    }
}

fn wrong(place: &str, name: &str, reason: &str) -> String {
    format!("{place} parameter '{name}': {reason}")
}

fn of_path(operation: &Operation, captures: &[(&str, String)]) -> Result<(), String> {
    for parameter in operation.at(Place::Path) {
        let mut known = captures.iter();
        match known.find(|(name, _)| *name == parameter.name) {
            Some((_, text)) => parameter
                .check(std::slice::from_ref(text))
                .map_err(|reason| wrong("path", &parameter.name, &reason))?,
            None => return Err(wrong("path", &parameter.name, "it is missing")),
        }
    }
    Ok(())
}

fn of_query(operation: &Operation, request: &RequestHead) -> Result<(), String> {
    let query = request.query.as_deref().unwrap_or_default();
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    for parameter in operation.at(Place::Query) {
        let name = parameter.name.as_str();
        let checked = if parameter.deep {
            let fields: Vec<(String, String)> = pairs
                .iter()
                .filter_map(|(key, value)| {
                    let field = key
                        .strip_prefix(name)?
                        .strip_prefix('[')?
                        .strip_suffix(']')?;
                    Some((field.to_owned(), value.clone()))
                })
                .collect();
            (!fields.is_empty()).then(|| parameter.check_fields(&fields))
        } else {
            let same = pairs.iter().filter(|(key, _)| key == name);
            let texts: Vec<String> = same.map(|(_, value)| value.clone()).collect();
            (!texts.is_empty()).then(|| parameter.check(&texts))
        };
        told(checked, parameter.required).map_err(|reason| wrong("query", name, &reason))?;
    }
    Ok(())
}

fn of_head(operation: &Operation, headers: &HeaderMap) -> Result<(), String> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    for parameter in operation.at(Place::Header) {
        let value = headers.get(&parameter.name).map(text);
        let checked = value.map(|value| parameter.check(&[value]));
        told(checked, parameter.required)
            .map_err(|reason| wrong("header", &parameter.name, &reason))?;
    }
    for parameter in operation.at(Place::Cookie) {
        let fields = headers.get_all(http::header::COOKIE).iter().map(text);
        let value = fields.into_iter().find_map(|field| {
            let mut pairs = field
                .split(';')
                .filter_map(|pair| pair.trim().split_once('='));
            let (_, value) = pairs.find(|(name, _)| *name == parameter.name)?;
            Some(value.to_owned())
        });
        let checked = value.map(|value| parameter.check(&[value]));
        told(checked, parameter.required)
            .map_err(|reason| wrong("cookie", &parameter.name, &reason))?;
    }
    Ok(())
}

/// What came of a parameter that may be missing.
fn told(checked: Option<Result<(), String>>, required: bool) -> Result<(), String> {
    match checked {
        Some(checked) => checked,
        None if required => Err("it is required".to_owned()),
        None => Ok(()),
    }
}

fn of_body(body: &Body, config: &Config, request: &RequestHead) -> Result<(), Misfit> {
    let because = |reason: String| Misfit::Because(format!("request body: {reason}"));
    let bytes = match request.body.whole(config.max_req_body_size) {
        WholeBody::Unread => return Err(Misfit::Unread),
        WholeBody::TooLarge => return Err(Misfit::TooLarge),
        WholeBody::Read(bytes) => bytes,
    };
    if bytes.is_empty() {
        return if body.required {
            Err(because("it is required".to_owned()))
        } else {
            Ok(())
        };
    }
    let media = request.content_type().split(';').next().unwrap_or_default();
    let media = media.trim().to_ascii_lowercase();
    let family = media.split('/').next().unwrap_or_default();
    let wanted = [media.clone(), format!("{family}/*"), "*/*".to_owned()];
    let mut contents = wanted
        .iter()
        .filter_map(|wanted| body.contents.iter().find(|(kind, _, _)| kind == wanted));
    let Some((_, compiled, schema)) = contents.next() else {
        return Err(because(format!(
            "content type '{media}' is not in the spec"
        )));
    };
    let Some(compiled) = compiled else {
        return Ok(());
    };
    let subtype = media.split('/').nth(1).unwrap_or_default();
    let mut value = if subtype == "json" || subtype.ends_with("+json") {
        json::parse(bytes).map_err(|error| because(error.to_string()))?
    } else if subtype == "x-www-form-urlencoded" {
        of_form(form::fields(bytes).map_err(because)?, schema)
    } else if family == "text" {
        Value::String(String::from_utf8_lossy(bytes).into_owned())
    } else {
        // What other bodies say is not looked at.
        return Ok(());
    };
    let checked = compiled.check(&mut value);
    checked.map_err(|problem| because(problem.message))
}

/// The fields of a form as the types that the schema gives them.
fn of_form(fields: Map<String, Value>, schema: &Value) -> Value {
    let properties = schema.get("properties");
    let fields = fields.into_iter().map(|(name, value)| {
        let property = properties.and_then(|all| all.get(&name));
        let kind = Kind::of(&Value::Null, property.unwrap_or(&Value::Null), 0);
        let cast = |value: &Value| match value {
            Value::String(text) => text.clone(),
            _ => String::new(),
        };
        let value = match (&kind, value) {
            (Kind::List(item), Value::Array(values)) => {
                Value::Array(values.iter().map(|value| item.cast(&cast(value))).collect())
            }
            (kind, Value::String(text)) => kind.cast(&text),
            (_, other) => other,
        };
        (name, value)
    });
    Value::Object(fields.collect())
}
