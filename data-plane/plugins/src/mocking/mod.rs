#![doc = include_str!("README.md")]

mod config;
mod example;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use weir_model::field::template::Template;
use weir_plugin_api::response::SERVER_TOKEN;
use weir_plugin_api::{
    Body, CompileContext, Context, Phase, Phases, Plugin, PluginDef, Response, Step,
};

use crate::header_edit;
use example::Shape;

pub use config::Config;

const MOCK_BY: HeaderName = HeaderName::from_static("x-mock-by");

/// Definition of `mocking`.
pub struct Mocking;

impl PluginDef for Mocking {
    const NAME: &'static str = "mocking";
    const PRIORITY: i32 = 10900;
    const PHASES: Phases = Phases::of(&[Phase::Access]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        let format = Format::of(&config.content_type)?;
        let status = u16::try_from(config.response_status).ok();
        let status = status.filter(|status| *status >= 200);
        let status = status.and_then(|status| StatusCode::from_u16(status).ok());
        let content = match (&config.response_example, &config.response_schema) {
            (Some(example), _) => Content::Example(Template::parse(example)),
            (None, Some(schema)) => {
                let shape = Shape::parse(schema)?;
                let names = shape.names();
                let wrong = names.iter().find(|name| !example::is_element_name(name));
                if let Some(wrong) = wrong.filter(|_| format == Format::Xml) {
                    return Err(format!(
                        "response_schema: {wrong:?} cannot be the name of an XML element"
                    ));
                }
                Content::Shape(shape, format)
            }
            (None, None) => return Err("response_example or response_schema is required".into()),
        };
        Ok(Compiled {
            status: status.ok_or_else(|| {
                let got = config.response_status;
                format!("response_status must be a final status of 200 to 999, got {got}")
            })?,
            headers: headers(&config)?,
            content,
            delay: Duration::from_secs(u64::try_from(config.delay).unwrap_or(0)),
        })
    }
}

/// How a made-up body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Xml,
}

impl Format {
    fn of(content_type: &str) -> Result<Self, String> {
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        match kind {
            "application/json" | "text/plain" => Ok(Format::Json),
            "application/xml" | "text/xml" => Ok(Format::Xml),
            _ => Err("unsupported content type!".into()),
        }
    }
}

fn headers(config: &Config) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let content_type = HeaderValue::from_str(&config.content_type).map_err(|_| {
        let got = &config.content_type;
        format!("content_type must be a header value, got {got:?}")
    })?;
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, content_type);
    if config.with_mock_header {
        headers.insert(MOCK_BY, HeaderValue::from_static(SERVER_TOKEN));
    }
    if let Some(own) = &config.response_headers {
        let own = header_edit::parse_constant("response_headers", own)?;
        header_edit::set_constant(&mut headers, &own);
    }
    let headers = headers.iter();
    Ok(headers
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect())
}

/// `mocking`, ready to run.
pub struct Compiled {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    content: Content,
    delay: Duration,
}

enum Content {
    Example(Template),
    Shape(Shape, Format),
}

impl Content {
    fn body(&self, context: &Context) -> String {
        match self {
            Content::Example(example) => example.render(context).text,
            Content::Shape(shape, format) => {
                let value = shape.make(&|| context.host.random());
                match format {
                    Format::Json => value.to_string(),
                    Format::Xml => example::to_xml("data", &value),
                }
            }
        }
    }
}

impl Plugin for Compiled {
    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let answer = Response {
            status: self.status,
            headers: self.headers.clone(),
            body: Body::Text(Bytes::from(self.content.body(context))),
        };
        if self.delay.is_zero() {
            Step::respond(answer)
        } else {
            Step::RespondAfter(self.delay, Box::new(answer))
        }
    }
}
