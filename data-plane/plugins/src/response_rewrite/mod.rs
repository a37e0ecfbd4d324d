#![doc = include_str!("README.md")]

mod config;
mod filter;
#[cfg(test)]
mod tests;

use base64::Engine;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, ETAG, LAST_MODIFIED};
use http::{HeaderMap, StatusCode};
use weir_model::field::expr::Expr;
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef};

use crate::encoding::{BASE64, Encoding};
use crate::header_edit::{self, HeaderEdit};
use crate::refusal::status;
use filter::Substitution;

pub use config::{Config, Filter, Scope};

/// Definition of `response-rewrite`.
pub struct ResponseRewrite;

impl PluginDef for ResponseRewrite {
    const NAME: &'static str = "response-rewrite";
    const PRIORITY: i32 = 899;
    const PHASES: Phases = Phases::of(&[Phase::HeaderFilter, Phase::BodyFilter]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        let headers = match &config.headers {
            None => Vec::new(),
            Some(headers) => header_edit::parse(headers)?,
        };
        let body = body_of(&config)?;
        let condition =
            match &config.vars {
                None => None,
                Some(vars) => Some(Expr::parse(vars).map_err(|reason| {
                    format!("failed to validate the 'vars' expression: {reason}")
                })?),
            };
        let filters = config.filters.unwrap_or_default();
        let filters: Vec<Substitution> = filters
            .iter()
            .map(Substitution::parse)
            .collect::<Result<_, _>>()?;
        if body.is_some() && !filters.is_empty() {
            return Err("body and filters cannot be given at the same time".into());
        }
        let status = config.status_code.map(|code| status("status_code", code));
        let status = status.transpose()?;
        Ok(Compiled {
            status,
            headers,
            body,
            filters,
            condition,
            max_body: config.max_resp_body_size,
        })
    }
}

fn body_of(config: &Config) -> Result<Option<Bytes>, String> {
    let Some(body) = &config.body else {
        return if config.body_base64 {
            Err("invalid base64 content".into())
        } else {
            Ok(None)
        };
    };
    if !config.body_base64 {
        return Ok(Some(Bytes::from(body.clone())));
    }
    let decoded = BASE64
        .decode(body)
        .ok()
        .filter(|decoded| !decoded.is_empty());
    let decoded = decoded.ok_or("invalid base64 content")?;
    Ok(Some(Bytes::from(decoded)))
}

/// `response-rewrite`, ready to run.
pub struct Compiled {
    status: Option<StatusCode>,
    headers: Vec<HeaderEdit>,
    body: Option<Bytes>,
    filters: Vec<Substitution>,
    condition: Option<Expr>,
    max_body: u64,
}

/// What the header filter decided for the body of this answer.
#[derive(Default)]
enum Work {
    /// The body passes as it is.
    #[default]
    Pass,
    /// The body is thrown away and ours is sent.
    Replace,
    /// The body is collected and filtered.
    Filter { encoding: Encoding, held: BytesMut },
}

impl Plugin for Compiled {
    fn header_filter(&self, context: &mut Context) {
        let acts = self
            .condition
            .as_ref()
            .is_none_or(|condition| condition.eval(context));
        if !acts {
            return;
        }
        let Some(response) = &mut context.response else {
            return;
        };
        if let Some(status) = self.status {
            response.status = status;
        }
        let work = self.work(&response.headers);
        if !matches!(work, Work::Pass) {
            for name in [CONTENT_LENGTH, CONTENT_ENCODING, LAST_MODIFIED, ETAG] {
                response.headers.remove(name);
            }
            response.body_changes = true;
        }
        *context.local_mut::<Work>() = work;
        for edit in &self.headers {
            let values = edit.render(context);
            if let Some(response) = &mut context.response {
                edit.apply(&mut response.headers, values);
            }
        }
    }

    fn body_filter(&self, context: &mut Context, chunk: &mut Bytes, end: bool) {
        let work = context.local_mut::<Work>();
        let (encoding, held) = match work {
            Work::Pass => return,
            Work::Replace => {
                let body = if end { self.body.clone() } else { None };
                *chunk = body.unwrap_or_default();
                return;
            }
            Work::Filter { encoding, held } => (*encoding, held),
        };
        held.extend_from_slice(chunk);
        chunk.clear();
        let too_large = held.len() as u64 > self.max_body;
        if !too_large && !end {
            return;
        }
        let body = held.split().freeze();
        *work = Work::Pass;
        if too_large && encoding == Encoding::Identity {
            *chunk = body;
            return;
        }
        let decoded = if too_large {
            None
        } else {
            encoding.decode(&body, self.max_body).ok()
        };
        match decoded {
            Some(plain) => *chunk = Bytes::from(self.filtered(plain)),
            // The head that went out promises a plain body, and we cannot make one.
            None => {
                *work = Work::Replace;
                context.abort_response = true;
            }
        }
    }
}

impl Compiled {
    fn work(&self, headers: &HeaderMap) -> Work {
        if self.body.is_some() {
            return Work::Replace;
        }
        if self.filters.is_empty() {
            return Work::Pass;
        }
        let length = headers
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok());
        let length = length.and_then(|text| text.parse::<u64>().ok());
        match Encoding::of(headers) {
            Some(encoding) if length.is_none_or(|length| length <= self.max_body) => Work::Filter {
                encoding,
                held: BytesMut::new(),
            },
            _ => Work::Pass,
        }
    }

    fn filtered(&self, plain: Vec<u8>) -> Vec<u8> {
        self.filters
            .iter()
            .fold(plain, |body, filter| filter.apply(body))
    }
}
