#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use http::{HeaderValue, StatusCode};
use weir_plugin_api::outside::off_worker;
use weir_plugin_api::{
    CompileContext, Context, Phase, Phases, Plugin, PluginDef, Response, Step, WholeBody,
};

use crate::encoding::{Encoding, Undecodable};

pub use config::{Coding, Config};

/// A compressed body of this size is undone on the worker; it takes less than a millisecond.
const SMALL: usize = 2 * 1024;
/// Plain bytes from which on the ratio counts: small bodies of one byte again and again are no bombs.
const RATIO_FROM: u64 = 64 * 1024;
/// Fields that speak of the compressed form.
const OF_COMPRESSED: [&str; 4] = ["content-md5", "content-digest", "repr-digest", "digest"];

/// Definition of `decompress-request`, which APISIX does not have.
pub struct DecompressRequest;

impl PluginDef for DecompressRequest {
    const NAME: &'static str = "decompress-request";
    const PRIORITY: i32 = 1090;
    const PHASES: Phases = Phases::of(&[Phase::Rewrite]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        let names: Vec<_> = config.codings.iter().map(|coding| coding.token()).collect();
        let accepted =
            HeaderValue::from_str(&names.join(", ")).map_err(|error| error.to_string())?;
        let codings = names.iter().filter_map(|name| Encoding::named(name));
        Ok(Compiled {
            codings: codings.collect(),
            accepted,
            max_size: config.max_size,
            max_ratio: config.max_ratio,
        })
    }
}

/// `decompress-request`, ready to run.
pub struct Compiled {
    codings: Vec<Encoding>,
    accepted: HeaderValue,
    max_size: usize,
    max_ratio: u64,
}

impl Plugin for Compiled {
    fn rewrite<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let encoding = match Encoding::of(&context.request.headers) {
            Some(Encoding::Identity) => return Step::Continue,
            Some(encoding) if self.codings.contains(&encoding) => encoding,
            _ => return self.unsupported(context),
        };
        let body = match context.request.body.whole(self.max_size) {
            WholeBody::Unread => return Step::ReadBody,
            WholeBody::TooLarge => return refuse(context, Refusal::TooLarge),
            WholeBody::Read(body) => body.clone(),
        };
        let by_ratio = (body.len() as u64)
            .saturating_mul(self.max_ratio)
            .max(RATIO_FROM);
        let limit = by_ratio.min(self.max_size as u64);
        let too_large = if by_ratio < self.max_size as u64 {
            Refusal::Bomb
        } else {
            Refusal::TooLarge
        };
        if body.is_empty() {
            // Nothing was compressed.
            return done(context, Ok(Ok(Vec::new())), too_large);
        }
        if body.len() <= SMALL {
            return done(context, Ok(encoding.decode(&body, limit)), too_large);
        }
        let outside = context.host.outside();
        Step::Wait(Box::pin(async move {
            let plain = off_worker(&*outside, move || encoding.decode(&body, limit)).await;
            done(context, plain.map_err(|error| error.to_string()), too_large)
        }))
    }
}

impl Compiled {
    /// RFC 9110 section 15.5.16: the answer tells what would do.
    fn unsupported(&self, context: &mut Context) -> Step<'static> {
        context.record.reason = "request_coding_unsupported";
        Step::respond(
            Response::error_msg(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "content coding of the request body is not supported",
            )
            .with_header(ACCEPT_ENCODING, self.accepted.clone()),
        )
    }
}

/// Forwards the plain form, or refuses the request.
fn done(
    context: &mut Context,
    plain: Result<Result<Vec<u8>, Undecodable>, String>,
    too_large: Refusal,
) -> Step<'static> {
    match plain {
        Ok(Ok(plain)) => {
            let headers = &mut context.request.headers;
            headers.remove(CONTENT_ENCODING);
            for name in OF_COMPRESSED {
                headers.remove(name);
            }
            context.request.body.replace(Bytes::from(plain));
            Step::Continue
        }
        Ok(Err(Undecodable::TooLarge)) => refuse(context, too_large),
        Ok(Err(Undecodable::Corrupt(error))) => {
            tracing::debug!(%error, request_id = %context.record.request_id, "request body cannot be decompressed");
            refuse(context, Refusal::Corrupt)
        }
        Err(error) => {
            tracing::error!(%error, request_id = %context.record.request_id, "request body was not decompressed");
            refuse(context, Refusal::Failed)
        }
    }
}

/// Why a body is not forwarded.
#[derive(Clone, Copy)]
enum Refusal {
    TooLarge,
    Bomb,
    Corrupt,
    Failed,
}

fn refuse(context: &mut Context, refusal: Refusal) -> Step<'static> {
    let (status, reason, text) = match refusal {
        Refusal::TooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "request_plain_too_large",
            "decompressed request body is too large",
        ),
        Refusal::Bomb => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "request_ratio_too_large",
            "request body is compressed too much",
        ),
        Refusal::Corrupt => (
            StatusCode::BAD_REQUEST,
            "request_coding_corrupt",
            "request body is not what its content coding says",
        ),
        Refusal::Failed => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "request_not_decompressed",
            "request body was not decompressed",
        ),
    };
    context.record.reason = reason;
    Step::respond(Response::error_msg(status, text))
}
