#![doc = include_str!("README.md")]

mod config;
mod mask;
mod path;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use weir_plugin_api::{
    CompileContext, Context, Phase, Phases, Plugin, PluginDef, RequestHead, WholeBody,
};

use mask::{Mask, Place};

pub use config::{Action, BodyFormat, Config, Item, Part};

/// Definition of `data-mask`.
pub struct DataMask;

impl PluginDef for DataMask {
    const NAME: &'static str = "data-mask";
    const PRIORITY: i32 = 1500;
    const PHASES: Phases = Phases::of(&[Phase::Log]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        let items = config.request.unwrap_or_default();
        let mask = |(index, item): (usize, &Item)| {
            Mask::new(item).map_err(|why| format!("request[{index}]: {why}"))
        };
        let masks = items.iter().enumerate().map(mask);
        Ok(Compiled {
            masks: masks.collect::<Result<_, _>>()?,
            max_body: config.max_body_size,
            max_fields: match config.max_req_post_args {
                0 => usize::MAX,
                limit => limit,
            },
        })
    }
}

/// `data-mask`, ready to run.
pub struct Compiled {
    masks: Vec<Mask>,
    max_body: usize,
    max_fields: usize,
}

impl Plugin for Compiled {
    fn log(&self, context: &mut Context) {
        let request = &mut context.request;
        for mask in &self.masks {
            match &mask.place {
                Place::Query(name) => mask_query(request, name, mask),
                Place::Header(name) => mask_header(&mut request.headers, name, mask),
                Place::Json(_) | Place::Form(_) => {}
            }
        }
        self.mask_body(request);
    }
}

impl Compiled {
    /// A body that somebody has read for a log. One that cannot be looked into is not logged.
    fn mask_body(&self, request: &mut RequestHead) {
        let concerns = |mask: &Mask| matches!(mask.place, Place::Json(_) | Place::Form(_));
        if !self.masks.iter().any(concerns) {
            return;
        }
        let masked = match request.body.whole(self.max_body) {
            // Nobody has read it, so nobody logs it.
            WholeBody::Unread if request.body.front(1).is_none() => return,
            WholeBody::Unread | WholeBody::TooLarge => None,
            WholeBody::Read(body) if body.is_empty() => return,
            WholeBody::Read(body) => self.masked(body),
        };
        if masked.is_none() {
            tracing::warn!("request body cannot be masked and is not logged");
        }
        request.body.set(masked.unwrap_or_default());
    }

    fn masked(&self, body: &[u8]) -> Option<Bytes> {
        let has = |json: bool| {
            let mut masks = self.masks.iter();
            masks.any(|mask| match mask.place {
                Place::Json(_) => json,
                Place::Form(_) => !json,
                _ => false,
            })
        };
        if has(true)
            && let Ok(mut value) = serde_json::from_slice::<Value>(body)
        {
            for mask in &self.masks {
                if let Place::Json(path) = &mask.place {
                    path.change(&mut value, &|found| mask.value(found));
                }
            }
            return Some(Bytes::from(value.to_string()));
        }
        if !has(false) {
            return None;
        }
        let text = std::str::from_utf8(body).ok()?;
        let masks = self.masks.iter();
        let form = masks.fold(
            limited(text, self.max_fields).to_owned(),
            |form, mask| match &mask.place {
                Place::Form(name) => mask_arguments(&form, name, mask),
                _ => form,
            },
        );
        Some(Bytes::from(form))
    }
}

/// The first so many arguments.
fn limited(text: &str, most: usize) -> &str {
    let end = text.match_indices('&').nth(most.saturating_sub(1));
    end.and_then(|(at, _)| text.get(..at)).unwrap_or(text)
}

fn mask_query(request: &mut RequestHead, name: &str, mask: &Mask) {
    let Some(query) = &request.query else {
        return;
    };
    let masked = mask_arguments(query, name, mask);
    if masked == *query {
        return;
    }
    let path = request.raw_target.split('?').next().unwrap_or_default();
    request.raw_target = if masked.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{masked}")
    };
    request.query = Some(masked).filter(|masked| !masked.is_empty());
}

/// Arguments with those of a name masked, however the name is encoded; others stay byte by byte.
fn mask_arguments(text: &str, name: &str, mask: &Mask) -> String {
    let mut kept = Vec::new();
    for pair in text.split('&') {
        let Some((found, value)) = form_urlencoded::parse(pair.as_bytes()).next() else {
            kept.push(pair.to_owned());
            continue;
        };
        if found != name {
            kept.push(pair.to_owned());
        } else if let Some(masked) = mask.text(&value) {
            let encoded: String = form_urlencoded::byte_serialize(masked.as_bytes()).collect();
            let name = pair.split('=').next().unwrap_or_default();
            kept.push(format!("{name}={encoded}"));
        }
    }
    kept.join("&")
}

fn mask_header(headers: &mut HeaderMap, name: &HeaderName, mask: &Mask) {
    if !headers.contains_key(name) {
        return;
    }
    let values: Vec<HeaderValue> = headers
        .get_all(name)
        .iter()
        .filter_map(|value| mask.text(&String::from_utf8_lossy(value.as_bytes())))
        .map(|text| {
            let hidden = HeaderValue::from_static("");
            HeaderValue::from_bytes(text.as_bytes()).unwrap_or(hidden)
        })
        .collect();
    headers.remove(name);
    for value in values {
        headers.append(name, value);
    }
}
