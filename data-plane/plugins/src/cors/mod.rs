#![doc = include_str!("README.md")]

mod config;
mod origins;
#[cfg(test)]
mod tests;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::Deserialize;
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, Response, Step};

use origins::Origins;

pub use config::{Config, Metadata};

const TIMING_ALLOW_ORIGIN: HeaderName = HeaderName::from_static("timing-allow-origin");
const ALL_METHODS: &str = "GET,POST,PUT,DELETE,PATCH,HEAD,OPTIONS,CONNECT,TRACE";

/// Definition of `cors`.
pub struct Cors;

impl PluginDef for Cors {
    const NAME: &'static str = "cors";
    const PRIORITY: i32 = 4000;
    const PHASES: Phases = Phases::of(&[Phase::Rewrite, Phase::HeaderFilter]);
    const PREVIEW: bool = true;
    const SCHEMA: &'static str = include_str!("schema.json");
    const METADATA_SCHEMA: Option<&'static str> = Some(include_str!("metadata.schema.json"));

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        refuse_wildcards(&config)?;
        let metadata = match &context.metadata {
            Some(stored) => Metadata::deserialize(&**stored).map_err(|error| error.to_string())?,
            None => Metadata::default(),
        };
        let names = config.allow_origins_by_metadata.unwrap_or_default();
        let lists = names
            .iter()
            .filter_map(|name| metadata.allow_origins.get(name));
        let mut origins = vec![match &config.allow_origins_by_regex {
            Some(expressions) => Origins::matching(expressions)?,
            None => Origins::listed(&config.allow_origins),
        }];
        // One of these never answers `*`: it is who asks that is let in.
        origins.extend(lists.map(|list| match list.as_str() {
            "*" => Origins::Echo,
            list => Origins::listed(list),
        }));
        let timing = match (
            &config.timing_allow_origins_by_regex,
            &config.timing_allow_origins,
        ) {
            (Some(expressions), _) => Some(Origins::matching(expressions)?),
            (None, Some(list)) => Some(Origins::listed(list)),
            (None, None) => None,
        };
        let methods = match config.allow_methods.as_str() {
            "**" => ALL_METHODS,
            list => list,
        };
        let exposed = config.expose_headers.as_deref();
        Ok(Compiled {
            origins,
            timing,
            methods: field("allow_methods", methods)?,
            headers: match config.allow_headers.as_str() {
                "**" => None,
                list => Some(field("allow_headers", list)?),
            },
            exposed: exposed
                .map(|list| field("expose_headers", list))
                .transpose()?,
            max_age: HeaderValue::from(config.max_age),
            credentials: config.allow_credential,
        })
    }
}

/// Browsers do not take `*` beside credentials (Fetch standard, CORS protocol and credentials).
fn refuse_wildcards(config: &Config) -> Result<(), String> {
    let fields = [
        Some(&config.allow_origins),
        Some(&config.allow_methods),
        Some(&config.allow_headers),
        config.expose_headers.as_ref(),
        config.timing_allow_origins.as_ref(),
    ];
    if config.allow_credential && fields.into_iter().flatten().any(|field| field == "*") {
        return Err("you can not set '*' for other option when 'allow_credential' is true".into());
    }
    Ok(())
}

fn field(name: &str, text: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(text)
        .map_err(|_| format!("{name} must be able to stand in a header, got {text:?}"))
}

/// `cors`, ready to run.
pub struct Compiled {
    /// The first that allows counts.
    origins: Vec<Origins>,
    timing: Option<Origins>,
    methods: HeaderValue,
    /// `None`: those that the client asks for.
    headers: Option<HeaderValue>,
    exposed: Option<HeaderValue>,
    max_age: HeaderValue,
    credentials: bool,
}

/// What the client said, before other plugins change it.
#[derive(Default)]
struct Asked {
    origin: Option<HeaderValue>,
    headers: Option<HeaderValue>,
}

impl Plugin for Compiled {
    fn rewrite<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let asked = asked(&context.request.headers);
        *context.local_mut::<Option<Asked>>() = Some(asked);
        if context.request.method == Method::OPTIONS {
            return Step::respond(Response::text(StatusCode::OK, ""));
        }
        Step::Continue
    }

    fn header_filter(&self, context: &mut Context) {
        let asked = match context.local_mut::<Option<Asked>>().take() {
            Some(asked) => asked,
            // Another plugin answered before this one ran.
            None => asked(&context.request.headers),
        };
        let Some(response) = &mut context.response else {
            return;
        };
        let headers = &mut response.headers;
        let origin = asked.origin.as_ref();
        if self.origins.iter().any(|origins| !origins.is_constant()) {
            headers.append(VARY, HeaderValue::from_static("Origin"));
        }
        if let Some(allowed) = self.origins.iter().find_map(|set| set.answer(origin)) {
            self.allow(headers, allowed, asked.headers);
        }
        if let Some(allowed) = self.timing.as_ref().and_then(|set| set.answer(origin)) {
            headers.insert(TIMING_ALLOW_ORIGIN, allowed);
        }
    }
}

impl Compiled {
    fn allow(&self, headers: &mut HeaderMap, origin: HeaderValue, wanted: Option<HeaderValue>) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone());
        headers.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        if let Some(allowed) = self.headers.clone().or(wanted) {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
        }
        if self.credentials {
            let value = HeaderValue::from_static("true");
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, value);
        }
        if let Some(exposed) = &self.exposed {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
        }
    }
}

fn asked(headers: &HeaderMap) -> Asked {
    Asked {
        origin: headers.get(ORIGIN).cloned(),
        headers: headers.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned(),
    }
}
