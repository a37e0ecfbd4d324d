#![doc = include_str!("README.md")]

mod condition;
mod config;
mod enforcer;
mod expression;
mod functions;
mod model;
mod policy;
mod roles;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use aws_lc_rs::digest;
use http::{HeaderMap, HeaderName, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use weir_plugin_api::{
    CompileContext, Context, Living, Phase, Phases, Plugin, PluginDef, Response, Step,
};

use crate::header_edit::header_name;
use crate::service_call::Complaint;
use enforcer::{Enforcer, MAX_MODEL, MAX_POLICY, Source};

pub use config::{Config, Metadata};

/// User of a request that names none.
const ANONYMOUS: &str = "anonymous";

/// Definition of `authz-casbin`.
pub struct AuthzCasbin;

impl PluginDef for AuthzCasbin {
    const NAME: &'static str = "authz-casbin";
    const PRIORITY: i32 = 2560;
    const PHASES: Phases = Phases::of(&[Phase::Rewrite]);
    const PREVIEW: bool = true;
    const SCHEMA: &'static str = include_str!("schema.json");
    const METADATA_SCHEMA: Option<&'static str> = Some(include_str!("metadata.schema.json"));

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        Ok(Compiled {
            username: header_name("username", &config.username)?,
            enforcer: enforcer(&config, context)?,
            complaint: Complaint::default(),
        })
    }

    fn check_metadata(metadata: &Value) -> Result<(), String> {
        let metadata = Metadata::deserialize(metadata).map_err(|error| error.to_string())?;
        texts(&metadata.model, &metadata.policy).map(drop)
    }
}

/// What decides on a route; nothing where there is no metadata, and in a dry check of files, which
/// are the agent's.
fn enforcer(
    config: &Config,
    context: &CompileContext<'_>,
) -> Result<Option<Arc<Enforcer>>, String> {
    let made = if let (Some(model), Some(policy)) = (&config.model_path, &config.policy_path) {
        if context.is_dry() {
            return Ok(None);
        }
        let model = read("model_path", model, MAX_MODEL)?;
        let policy = read("policy_path", policy, MAX_POLICY)?;
        Enforcer::new(&model, &policy)?
    } else if let (Some(model), Some(policy)) = (&config.model, &config.policy) {
        texts(model, policy)?
    } else {
        let of_metadata = context.metadata.as_deref();
        return of_metadata
            .map(|metadata| shared(metadata, &context.living))
            .transpose();
    };
    Ok(Some(Arc::new(made)))
}

/// What decides on all routes that use the metadata.
fn shared(metadata: &Value, living: &Living) -> Result<Arc<Enforcer>, String> {
    let hash = digest::digest(&digest::SHA256, metadata.to_string().as_bytes());
    let key = format!("{}\0{hash:?}", AuthzCasbin::NAME);
    if let Some(known) = living.get(&key) {
        return Ok(known);
    }
    let made = Metadata::deserialize(metadata)
        .map_err(|error| error.to_string())
        .and_then(|metadata| texts(&metadata.model, &metadata.policy))
        .map_err(|reason| format!("plugin metadata: {reason}"))?;
    Ok(living.get_or_init(&key, || made))
}

fn texts(model: &str, policy: &str) -> Result<Enforcer, String> {
    let source = |name: &str, text: &str| Source {
        name: name.to_owned(),
        text: text.to_owned(),
    };
    Enforcer::new(&source("model", model), &source("policy", policy))
}

/// The text of a file.
fn read(field: &str, path: &str, limit: usize) -> Result<Source, String> {
    let name = format!("{field}: {path}");
    let fail = |error: std::io::Error| format!("{name}: {error}");
    // Pipes and devices might never end.
    if !std::fs::metadata(path).map_err(fail)?.is_file() {
        return Err(format!("{name}: not a file"));
    }
    let mut text = String::new();
    let file = File::open(path).map_err(fail)?;
    // One byte more than allowed shows that there are too many.
    file.take(limit as u64 + 1)
        .read_to_string(&mut text)
        .map_err(fail)?;
    Ok(Source { name, text })
}

/// `authz-casbin`, ready to run.
pub struct Compiled {
    username: HeaderName,
    enforcer: Option<Arc<Enforcer>>,
    complaint: Complaint,
}

impl Plugin for Compiled {
    fn rewrite<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let Some(enforcer) = &self.enforcer else {
            self.complain(
                context,
                "neither the route nor the plugin metadata has a model",
            );
            return Step::respond(Response::page(StatusCode::SERVICE_UNAVAILABLE));
        };
        let request = &context.request;
        // Several names are nobody's.
        let allowed = self.user(&request.headers).map_or(Ok(false), |user| {
            enforcer.allows(&user, &request.raw_target, request.method.as_str())
        });
        match allowed {
            Ok(true) => return Step::Continue,
            Ok(false) => {}
            Err(enforcer::Exhausted) => self.complain(context, "a decision took too many steps"),
        }
        Step::respond(Response::message(StatusCode::FORBIDDEN, "Access Denied"))
    }
}

impl Compiled {
    /// Who asks; `None` when the header is there more than once.
    fn user<'h>(&self, headers: &'h HeaderMap) -> Option<Cow<'h, str>> {
        let mut values = headers.get_all(&self.username).iter();
        match (values.next(), values.next()) {
            (None, _) => Some(Cow::Borrowed(ANONYMOUS)),
            (Some(name), None) => Some(String::from_utf8_lossy(name.as_bytes())),
            _ => None,
        }
    }

    fn complain(&self, context: &Context, problem: &str) {
        if self.complaint.is_due(&*context.host) {
            tracing::warn!(problem, "authz-casbin: no decision");
        }
    }
}
