//! One direction: a body is decoded, and a template makes another one of it.

use base64::Engine;
use bytes::Bytes;
use weir_model::field::variable::Variables;

use super::config::{self, Format};
use super::xml;
use crate::encoding::BASE64;
use crate::template::{Multipart, Scope, Template, Value};
use crate::{form, json};

/// One direction, ready to run.
pub(crate) struct Side {
    format: Option<Format>,
    /// The template as it is written.
    plain: Option<Template>,
    /// The template that the text is the base64 of.
    decoded: Option<Template>,
    /// Whether the text is base64 in any case.
    is_base64: bool,
    /// Name of the direction, for messages.
    name: &'static str,
}

/// A body, and what it came with.
pub(crate) struct Input<'a> {
    /// None when it is empty.
    pub(crate) body: Option<Bytes>,
    pub(crate) content_type: &'a str,
    pub(crate) query: &'a str,
    pub(crate) variables: &'a dyn Variables,
    /// Whether this is the request of a GET: its arguments are the input then.
    pub(crate) is_get: bool,
}

/// Why there is no body.
pub(crate) enum Failure {
    /// The input is not what it should be.
    Decode(String),
    /// The template does not work on it.
    Render(String),
}

impl Side {
    /// # Errors
    /// What is wrong with the template.
    pub(crate) fn compile(config: &config::Side, name: &'static str) -> Result<Self, String> {
        let is_base64 = config.template_is_base64.unwrap_or(false);
        let text = BASE64.decode(&config.template).ok();
        let text = text.and_then(|bytes| String::from_utf8(bytes).ok());
        let decoded = text.map(|text| Template::compile(&text));
        let plain = Template::compile(&config.template);
        let named = |reason| format!("{name} template compile: {reason}");
        // A text that can be read both ways is read as APISIX does: base64 when that is said, or when
        // the body is neither a form nor a query. A reading that does not compile is none.
        let (plain, decoded) = match (plain, decoded) {
            (plain, Some(Ok(decoded))) => (plain.ok(), Some(decoded)),
            (Ok(plain), _) => (Some(plain), None),
            (Err(reason), _) => return Err(named(reason)),
        };
        Ok(Self {
            format: config.input_format,
            plain,
            decoded,
            is_base64,
            name,
        })
    }

    /// The body that takes the place of `input`; at most `limit` bytes.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn transform(&self, input: Input<'_>, limit: usize) -> Result<Bytes, Failure> {
        let format = self.format_of(&input);
        let (data, multipart) = if input.body.is_some() || input.is_get {
            let decoded = decode(format, &input);
            decoded
                .map_err(|reason| Failure::Decode(format!("{} body decode: {reason}", self.name)))?
        } else {
            (Value::Nil, None)
        };
        let base64 = self.is_base64
            || format.is_some_and(|format| !matches!(format, Format::Encoded | Format::Args));
        let template = match (&self.decoded, &self.plain) {
            (Some(decoded), _) if base64 => Some(decoded),
            (decoded, plain) => plain.as_ref().or(decoded.as_ref()),
        };
        let Some(template) = template else {
            return Err(Failure::Render(format!(
                "{} template compile: none",
                self.name
            )));
        };
        let scope = Scope {
            data,
            body: input.body,
            variables: input.variables,
            multipart,
        };
        let made = template.render(scope, limit);
        made.map(Bytes::from).map_err(|reason| {
            Failure::Render(format!("{} template rendering: {reason}", self.name))
        })
    }

    fn format_of(&self, input: &Input<'_>) -> Option<Format> {
        if input.is_get {
            return Some(Format::Args);
        }
        self.format.or_else(|| {
            let kind = input.content_type.to_ascii_lowercase();
            let known = [
                ("text/xml", Format::Xml),
                ("application/json", Format::Json),
                ("application/x-www-form-urlencoded", Format::Encoded),
                ("multipart/", Format::Multipart),
            ];
            let mut known = known.into_iter();
            known
                .find(|(name, _)| kind.contains(name))
                .map(|(_, format)| format)
        })
    }
}

/// What the template sees of a body.
fn decode(format: Option<Format>, input: &Input<'_>) -> Result<(Value, Option<Multipart>), String> {
    let body = input.body.clone().unwrap_or_default();
    let fields = |text: &[u8]| {
        let fields = form::fields(text)?;
        Ok::<_, String>(Value::from(serde_json::Value::Object(fields)))
    };
    let data = match format {
        None | Some(Format::Plain) => Value::Nil,
        Some(Format::Json) => json::parse(&body).map_err(|error| error.to_string())?,
        Some(Format::Xml) => xml::parse(&body)?,
        Some(Format::Encoded) => fields(&body)?,
        Some(Format::Args) => fields(input.query.as_bytes())?,
        Some(Format::Multipart) => {
            let read = Multipart::read(&body, input.content_type);
            let read = read.ok_or("it is not the multipart body that Content-Type says")?;
            return Ok((read.fields(), Some(read)));
        }
    };
    Ok((data, None))
}
