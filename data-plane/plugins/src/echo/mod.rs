#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue};
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef};

use crate::header_edit;

pub use config::Config;

/// Definition of `echo`.
pub struct Echo;

impl PluginDef for Echo {
    const NAME: &'static str = "echo";
    const PRIORITY: i32 = 412;
    const PHASES: Phases = Phases::of(&[Phase::HeaderFilter, Phase::BodyFilter]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        let headers = config.headers.as_ref();
        let headers = headers.map(|headers| header_edit::parse_constant("headers", headers));
        let text = |text: Option<String>| text.map(Bytes::from);
        Ok(Compiled {
            before: text(config.before_body).unwrap_or_default(),
            body: text(config.body),
            after: text(config.after_body).unwrap_or_default(),
            headers: headers.transpose()?.unwrap_or_default(),
        })
    }
}

/// `echo`, ready to run.
pub struct Compiled {
    before: Bytes,
    body: Option<Bytes>,
    after: Bytes,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Whether the beginning was written.
#[derive(Default)]
struct Begun(bool);

impl Plugin for Compiled {
    fn header_filter(&self, context: &mut Context) {
        let Some(response) = &mut context.response else {
            return;
        };
        response.body_changes = true;
        header_edit::set_constant(&mut response.headers, &self.headers);
    }

    fn body_filter(&self, context: &mut Context, chunk: &mut Bytes, end: bool) {
        let begun = std::mem::replace(&mut context.local_mut::<Begun>().0, true);
        let mut out = BytesMut::new();
        if !begun {
            out.extend_from_slice(&self.before);
            if let Some(body) = &self.body {
                out.extend_from_slice(body);
            }
        }
        if self.body.is_none() {
            out.extend_from_slice(chunk);
        }
        if end {
            out.extend_from_slice(&self.after);
        }
        *chunk = out.freeze();
    }
}
