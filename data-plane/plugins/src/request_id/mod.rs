#![doc = include_str!("README.md")]

mod config;
mod generator;
#[cfg(test)]
mod tests;

use http::{HeaderName, HeaderValue};
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, Step};

use crate::header_edit::header_name;
use generator::Generator;

pub use config::{Algorithm, Config, RangeId};

/// Definition of `request-id`.
pub struct RequestId;

impl PluginDef for RequestId {
    const NAME: &'static str = "request-id";
    const PRIORITY: i32 = 12015;
    const PHASES: Phases = Phases::of(&[Phase::Rewrite, Phase::HeaderFilter]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        Ok(Compiled {
            header: header_name("header_name", &config.header_name)?,
            told: config.include_in_response,
            generator: Generator::new(&config)?,
        })
    }
}

/// `request-id`, ready to run.
pub struct Compiled {
    header: HeaderName,
    told: bool,
    generator: Generator,
}

/// The id of this request, from the rewrite phase to the header filter.
#[derive(Default)]
struct Given(Option<HeaderValue>);

impl Plugin for Compiled {
    fn rewrite<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let sent = context.request.headers.get(&self.header).cloned();
        let id = match sent.filter(|value| !value.is_empty()) {
            Some(value) => value,
            None => {
                let id = self.generator.next(&*context.host);
                let Ok(value) = HeaderValue::from_str(&id) else {
                    // Not reachable: generators give visible ASCII.
                    return Step::Continue;
                };
                context
                    .request
                    .headers
                    .insert(self.header.clone(), value.clone());
                value
            }
        };
        context.record.request_id = String::from_utf8_lossy(id.as_bytes()).into_owned();
        if self.told {
            context.local_mut::<Given>().0 = Some(id);
        }
        Step::Continue
    }

    fn header_filter(&self, context: &mut Context) {
        if !self.told {
            return;
        }
        let given = context.local_mut::<Given>().0.take();
        if let (Some(id), Some(response)) = (given, &mut context.response) {
            let sent = response.headers.get(&self.header);
            if sent.is_none_or(HeaderValue::is_empty) {
                response.headers.insert(self.header.clone(), id);
            }
        }
    }
}
