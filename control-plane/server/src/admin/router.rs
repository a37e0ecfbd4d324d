//! What a path means. Pure.

use http::Method;
use percent_encoding::percent_decode_str;
use weir_model::{Key, Kind};

use super::collection::Collection;
use super::error::Error;

/// What a request is about.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Target {
    /// HEAD of the base path.
    Liveness,
    /// Names of the plugins.
    PluginsList,
    /// Schema of one plugin, or facts of all.
    Plugin(Option<String>),
    /// Reload of the plugins.
    PluginsReload,
    /// Schema of a kind.
    Schema(String),
    /// Check of one document against a schema.
    SchemaValidate(String),
    /// Check of many documents.
    ConfigsValidate,
    /// Health of the nodes of an upstream, or of that of a route or service.
    Health(Key),
    /// No such kind.
    Unsupported(String),
    /// A collection, or one of its resources.
    Resource(Path),
}

/// Names a collection or one of its resources.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Path {
    /// The collection.
    pub(super) collection: &'static Collection,
    /// Consumer of credentials, service of cost decorations, manager of secrets.
    pub(super) parent: Option<String>,
    /// Id inside the collection.
    pub(super) id: Option<String>,
    /// What follows the id.
    pub(super) rest: Vec<String>,
}

/// Decides what `path` means; the segments are decoded, empty ones dropped.
///
/// # Errors
/// [`Error::Page`] outside of the API's table.
pub(super) fn route(method: &Method, path: &str) -> Result<Target, Error> {
    let segments: Vec<String> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
        .collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let [base, admin, rest @ ..] = segments.as_slice() else {
        return Err(Error::Page);
    };
    if (*base, *admin) != ("apisix", "admin") {
        return Err(Error::Page);
    }
    if rest.is_empty() && method == Method::HEAD {
        return Ok(Target::Liveness);
    }
    let known = [
        Method::GET,
        Method::PUT,
        Method::POST,
        Method::PATCH,
        Method::DELETE,
    ];
    if rest.is_empty() || !known.contains(method) {
        return Err(Error::Page);
    }
    Ok(target(method, rest))
}

fn target(method: &Method, segments: &[&str]) -> Target {
    let owned = |segment: &&str| (*segment).to_owned();
    match segments {
        ["plugins", "list"] if method == Method::GET => Target::PluginsList,
        ["plugins", "reload"] => Target::PluginsReload,
        ["schema", "validate", kind] if method == Method::POST => {
            Target::SchemaValidate(owned(kind))
        }
        ["configs", "validate"] if method == Method::POST => Target::ConfigsValidate,
        [name @ ("upstreams" | "routes" | "services"), id, "health"] if method == Method::GET => {
            match Collection::top(name) {
                Some(collection) => Target::Health(Key::new(collection.kind, *id)),
                None => Target::Unsupported(owned(name)),
            }
        }
        ["plugins"] | ["schema", "plugins"] => Target::Plugin(None),
        ["plugins", name] | ["schema", "plugins", name] => Target::Plugin(Some(owned(name))),
        ["schema"] => Target::Schema(String::new()),
        ["schema", name] => Target::Schema(owned(name)),
        ["consumers", parent, "credentials", rest @ ..] => nested(Kind::Credential, parent, rest),
        ["services", parent, "graphql_cost_decorations", rest @ ..] => {
            nested(Kind::GraphqlCostDecoration, parent, rest)
        }
        ["secrets", manager, rest @ ..] => nested(Kind::Secret, manager, rest),
        [name, rest @ ..] => match Collection::top(name) {
            Some(collection) => Target::Resource(path(collection, None, rest)),
            None => Target::Unsupported(owned(name)),
        },
        [] => Target::Unsupported(String::new()),
    }
}

fn nested(kind: Kind, parent: &str, rest: &[&str]) -> Target {
    Target::Resource(path(Collection::of(kind), Some(parent.to_owned()), rest))
}

fn path(collection: &'static Collection, parent: Option<String>, rest: &[&str]) -> Path {
    let (id, rest) = match rest {
        [] => (None, rest),
        [id, rest @ ..] => (Some((*id).to_owned()), rest),
    };
    Path {
        collection,
        parent,
        id,
        rest: rest.iter().map(|segment| (*segment).to_owned()).collect(),
    }
}

impl Target {
    /// Refuses what the node's mode or the table of methods does not allow. Comes before the body
    /// is looked at, as in APISIX.
    ///
    /// # Errors
    /// See [`Error`].
    pub(super) fn resolve(self, stream_mode: bool, method: &Method) -> Result<Self, Error> {
        match &self {
            Target::Unsupported(name) => Err(Error::Unsupported(name.clone())),
            Target::Plugin(_) | Target::Schema(_) if method != Method::GET => Err(Error::NoMethod),
            Target::Resource(path) => {
                if path.collection.kind == Kind::StreamRoute && !stream_mode {
                    let text = "stream mode is disabled, can not add stream routes";
                    return Err(Error::invalid(text));
                }
                if !path.rest.is_empty() && method != Method::PATCH {
                    return Err(Error::NoMethod);
                }
                Ok(self)
            }
            _ => Ok(self),
        }
    }
}
