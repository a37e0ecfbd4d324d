#![doc = include_str!("README.md")]

mod config;
mod target;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use http::Method;
use http::header::HOST;
use regex::Captures;
use weir_model::field::variable::{Var, Variable, Variables};
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, Step};

use crate::header_edit::{self, Action, HeaderEdit};
use target::{Rewrite, UriTemplate, visible};

pub use config::Config;

/// Definition of `proxy-rewrite`.
pub struct ProxyRewrite;

impl PluginDef for ProxyRewrite {
    const NAME: &'static str = "proxy-rewrite";
    const PRIORITY: i32 = 1008;
    const PREVIEW: bool = true;
    const PHASES: Phases = Phases::of(&[Phase::Rewrite]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        let pairs = config.regex_uri.unwrap_or_default();
        if !pairs.len().is_multiple_of(2) {
            return Err("The length of regex_uri should be an even number".into());
        }
        let mut rewrites = Vec::with_capacity(pairs.len() / 2);
        for pair in pairs.chunks_exact(2) {
            if let [pattern, replacement] = pair {
                rewrites.push(Rewrite::parse(pattern, replacement)?);
            }
        }
        let method = match &config.method {
            None => None,
            Some(name) => Some(
                Method::from_bytes(name.as_bytes())
                    .map_err(|_| format!("method must be a method, got {name:?}"))?,
            ),
        };
        let headers = match &config.headers {
            None => Vec::new(),
            Some(headers) => header_edit::parse(headers)?,
        };
        Ok(Compiled {
            uri: config.uri.as_deref().map(UriTemplate::parse),
            rewrites,
            host: config.host,
            method,
            headers,
            raw: config.use_real_request_uri_unsafe,
        })
    }
}

/// `proxy-rewrite`, ready to run.
pub struct Compiled {
    uri: Option<UriTemplate>,
    rewrites: Vec<Rewrite>,
    host: Option<String>,
    method: Option<Method>,
    headers: Vec<HeaderEdit>,
    raw: bool,
}

impl Plugin for Compiled {
    fn rewrite<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        if let Some(host) = &self.host {
            context.target.host = Some(host.clone());
        }
        // The captures borrow the text they were found in, and the headers need them later.
        let subject = if self.raw {
            context.request.raw_target.clone()
        } else if self.rewrites.is_empty() {
            String::new()
        } else {
            context.request.path.clone()
        };
        let found = match &self.uri {
            Some(_) => None,
            None => self.rewrites.iter().find_map(|rewrite| {
                let captures = rewrite.regex.captures(&subject)?;
                Some((rewrite, captures))
            }),
        };
        if let Some(uri) = self.target(context, &subject, found.as_ref()) {
            context.target.uri = Some(uri);
        }
        for edit in &self.headers {
            let captures = found
                .as_ref()
                .map(|(rewrite, captures)| (*rewrite, captures));
            let values = edit.render(&Scope { context, captures });
            if edit.name == HOST && edit.action == Action::Set {
                // The Host header is not one of many: it is what the node is asked for.
                let host = values.last().and_then(|value| value.to_str().ok());
                let Some(host) = host.map(str::to_owned) else {
                    continue;
                };
                context.target.host = Some(host);
            }
            edit.apply(&mut context.request.headers, values);
        }
        if let Some(method) = &self.method {
            context.target.method = Some(method.clone());
        }
        Step::Continue
    }
}

impl Compiled {
    fn target(
        &self,
        context: &Context,
        subject: &str,
        found: Option<&(&Rewrite, Captures<'_>)>,
    ) -> Option<String> {
        let scope = Scope {
            context,
            captures: None,
        };
        if self.raw {
            return Some(match (&self.uri, found) {
                (Some(uri), _) => uri.render_raw(&scope),
                (None, Some((rewrite, captures))) => rewrite.apply_raw(subject, captures),
                (None, None) => visible(subject),
            });
        }
        let target = match (&self.uri, found) {
            (Some(uri), _) => uri.render(&scope),
            (None, Some((rewrite, captures))) => rewrite.apply(subject, captures),
            (None, None) => return None,
        };
        Some(target.join(context.request.query.as_deref()))
    }
}

/// Variables of this plugin: captures of `regex_uri` by number and name, then those of the request,
/// then captures of the route (`$1` is what its `*` matched).
struct Scope<'a> {
    context: &'a Context,
    captures: Option<(&'a Rewrite, &'a Captures<'a>)>,
}

impl Variables for Scope<'_> {
    fn get(&self, variable: &Variable) -> Option<Var<'_>> {
        let name = variable.name();
        if let Some((rewrite, captures)) = self.captures {
            let group = match name.parse::<usize>() {
                Ok(number) => captures.get(number),
                Err(_) => captures.name(name),
            };
            if let Some(group) = group {
                return Some(Var::Text(Cow::Borrowed(group.as_str())));
            }
            let known = rewrite.regex.capture_names().flatten().any(|n| n == name);
            if known || name.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
        }
        self.context.get(variable).or_else(|| {
            let mut params = self.context.params.iter();
            let (_, value) = params.find(|(param, _)| &**param == name)?;
            Some(Var::Text(Cow::Borrowed(value)))
        })
    }
}
