#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use http::header::LOCATION;
use http::{HeaderValue, Method, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use regex::Regex;
use weir_model::field::template::Template;
use weir_plugin_api::request::encode_path;
use weir_plugin_api::{
    CompileContext, Context, Phase, Phases, Plugin, PluginDef, Response, Scheme, Step,
};

use crate::refusal::status;
use crate::substitution::{Piece, group_named, parse, text_regex};

pub use config::Config;

/// What may not stand in a header, and would not be a part of a URL.
const UNSAFE: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>');

/// Definition of `redirect`.
pub struct Redirect;

impl PluginDef for Redirect {
    const NAME: &'static str = "redirect";
    const PRIORITY: i32 = 900;
    const PHASES: Phases = Phases::of(&[Phase::Rewrite]);
    const PREVIEW: bool = true;
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        let code = status("ret_code", config.ret_code)?;
        let target = match (config.http_to_https, &config.uri, &config.regex_uri) {
            (Some(secure), None, None) => {
                if config.append_query_string {
                    return Err(
                        "only one of `http_to_https` and `append_query_string` can be configured."
                            .into(),
                    );
                }
                if secure {
                    Target::Secure
                } else {
                    Target::Nothing
                }
            }
            (None, Some(uri), None) => Target::Uri(Template::parse(uri)),
            (None, None, Some(pair)) => replacement(pair)?,
            _ => return Err("expected one of http_to_https, uri and regex_uri".into()),
        };
        Ok(Compiled {
            target,
            code,
            encodes: config.encode_uri,
            appends_query: config.append_query_string,
        })
    }
}

fn replacement(pair: &[String]) -> Result<Target, String> {
    let [pattern, text] = pair else {
        return Err("regex_uri: expected an expression and its replacement".into());
    };
    let wrong = |error: String| format!("invalid regex_uri ({pattern}, {text}), err:{error}");
    let regex = text_regex(pattern).map_err(wrong)?;
    let pieces = parse(text, |name| group_named(regex.capture_names(), name)).map_err(wrong)?;
    Ok(Target::Regex(regex, pieces))
}

/// Where to.
enum Target {
    /// Nowhere: `http_to_https` is `false`.
    Nothing,
    Secure,
    Uri(Template),
    Regex(Regex, Vec<Piece>),
}

/// `redirect`, ready to run.
pub struct Compiled {
    target: Target,
    code: StatusCode,
    encodes: bool,
    appends_query: bool,
}

impl Plugin for Compiled {
    fn rewrite<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        match self.target(context) {
            Some((code, place)) => Step::respond(to(code, &place)),
            None => Step::Continue,
        }
    }
}

impl Compiled {
    fn target(&self, context: &Context) -> Option<(StatusCode, String)> {
        let mut place = match &self.target {
            Target::Nothing => return None,
            Target::Secure => return secure(context),
            Target::Uri(template) => template.render(context).text,
            Target::Regex(regex, pieces) => replaced(regex, pieces, &context.request.path)?,
        };
        if self.encodes {
            place = encoded(&place);
        }
        let query = context.request.query.as_deref();
        if let (true, Some(query)) = (self.appends_query, query.filter(|query| !query.is_empty())) {
            place.push(if place.contains('?') { '&' } else { '?' });
            place.push_str(query);
        }
        Some((self.code, place))
    }
}

/// The same place by TLS, unless the client is there.
fn secure(context: &Context) -> Option<(StatusCode, String)> {
    let request = &context.request;
    let told = context.header("x-forwarded-proto");
    let is_clear = match told {
        Some(scheme) => scheme == "http",
        None => request.scheme == Scheme::Http,
    };
    if !is_clear {
        return None;
    }
    let code = match request.method {
        Method::GET | Method::HEAD => StatusCode::MOVED_PERMANENTLY,
        _ => StatusCode::PERMANENT_REDIRECT,
    };
    let port = context.host.https_port().filter(|port| *port != 443);
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let place = format!("https://{}{port}{}", request.host, request.raw_target);
    Some((code, place))
}

/// The path with its first match replaced; `None` when there is none.
fn replaced(regex: &Regex, pieces: &[Piece], path: &str) -> Option<String> {
    let mut matched = false;
    let text = regex.replace(path, |captures: &regex::Captures<'_>| {
        matched = true;
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Group(group) => {
                    text.push_str(captures.get(*group).map_or("", |group| group.as_str()));
                }
            }
        }
        text
    });
    let text = text.into_owned();
    matched.then_some(text)
}

/// Percent-encodes path and query of a place, and leaves scheme and host.
fn encoded(place: &str) -> String {
    let (path, query) = match place.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (place, None),
    };
    let mut text = encode_path(path);
    if let Some(query) = query {
        text.push('?');
        text.extend(utf8_percent_encode(query, UNSAFE));
    }
    text
}

fn to(code: StatusCode, place: &str) -> Response {
    // Nothing that a client sends ends the header: what may not stand in it is encoded.
    let place = utf8_percent_encode(place, UNSAFE).to_string();
    let response = Response::text(code, "");
    match HeaderValue::try_from(place) {
        Ok(place) => response.with_header(LOCATION, place),
        Err(_) => response,
    }
}
