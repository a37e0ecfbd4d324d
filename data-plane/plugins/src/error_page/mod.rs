#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef};

pub use config::{Config, Metadata, Page};

const STATUSES: [StatusCode; 4] = [
    StatusCode::NOT_FOUND,
    StatusCode::INTERNAL_SERVER_ERROR,
    StatusCode::BAD_GATEWAY,
    StatusCode::SERVICE_UNAVAILABLE,
];

/// Definition of `error-page`.
pub struct ErrorPage;

impl PluginDef for ErrorPage {
    const NAME: &'static str = "error-page";
    const PRIORITY: i32 = 450;
    const PHASES: Phases = Phases::of(&[Phase::HeaderFilter, Phase::BodyFilter]);
    const SCHEMA: &'static str = include_str!("schema.json");
    const METADATA_SCHEMA: Option<&'static str> = Some(include_str!("metadata.schema.json"));

    type Config = Config;
    type Compiled = Compiled;

    fn compile(_config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        let metadata = match &context.metadata {
            Some(stored) => Metadata::deserialize(&**stored).map_err(|error| error.to_string())?,
            None => Metadata::default(),
        };
        pages(metadata).map(Compiled)
    }

    fn check_metadata(metadata: &Value) -> Result<(), String> {
        let metadata = Metadata::deserialize(metadata).map_err(|error| error.to_string())?;
        pages(metadata).map(drop)
    }
}

/// The pages by status; none unless they are enabled.
fn pages(metadata: Metadata) -> Result<Vec<Ready>, String> {
    let Metadata {
        enable,
        error_404,
        error_500,
        error_502,
        error_503,
    } = metadata;
    let mut pages = Vec::new();
    for (status, page) in STATUSES
        .into_iter()
        .zip([error_404, error_500, error_502, error_503])
    {
        let Some(page) = page else {
            continue;
        };
        let body = page.body.unwrap_or_else(|| usual(status));
        // A page without text is none.
        if body.is_empty() {
            continue;
        }
        let kind = page.content_type.unwrap_or_else(|| "text/html".to_owned());
        pages.push(Ready {
            status,
            content_type: HeaderValue::from_str(&kind).map_err(|_| {
                format!(
                    "error_{}.content_type must be able to stand in a header, got {kind:?}",
                    status.as_u16()
                )
            })?,
            body: Bytes::from(body),
        });
    }
    if !enable {
        pages.clear();
    }
    Ok(pages)
}

/// The page that APISIX's schema has for a status.
fn usual(status: StatusCode) -> String {
    let text = status.to_string();
    format!(
        "<html>\n<head><title>{text}</title></head>\n<body>\n<center><h1>{text}</h1></center>\n\
         <hr><center>Apache APISIX</center>\n</body>\n</html>"
    )
}

struct Ready {
    status: StatusCode,
    content_type: HeaderValue,
    body: Bytes,
}

/// `error-page`, ready to run.
pub struct Compiled(Vec<Ready>);

/// The page that takes the place of the answer's body.
#[derive(Default)]
struct Chosen(Option<Bytes>);

impl Plugin for Compiled {
    fn header_filter(&self, context: &mut Context) {
        if !context.record.from_gateway {
            return;
        }
        let Some(response) = &mut context.response else {
            return;
        };
        let Some(page) = self.0.iter().find(|page| page.status == response.status) else {
            return;
        };
        let kind = response.headers.get(CONTENT_TYPE);
        // Clients of gRPC take a page for a broken message.
        if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc")) {
            return;
        }
        response.headers.remove(CONTENT_LENGTH);
        response.headers.remove(CONTENT_ENCODING);
        response
            .headers
            .insert(CONTENT_TYPE, page.content_type.clone());
        response.body_changes = true;
        context.local_mut::<Chosen>().0 = Some(page.body.clone());
    }

    fn body_filter(&self, context: &mut Context, chunk: &mut Bytes, end: bool) {
        if let Some(page) = &mut context.local_mut::<Chosen>().0 {
            *chunk = if end {
                std::mem::take(page)
            } else {
                Bytes::new()
            };
        }
    }
}
