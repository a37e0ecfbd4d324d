//! Upstreams that a plugin chooses instead of the route's own.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

/// Where a request goes instead of to the route's upstream (objects.md section 6: a plugin's choice
/// wins over the route's).
#[derive(Debug, Clone)]
pub enum UpstreamChoice {
    /// The upstream object of this id, as the request's revision has it.
    Id(Arc<str>),
    /// An upstream inside the plugin's configuration.
    Inline(UpstreamRef),
}

/// A compiled upstream; only the proxy sees into it.
#[derive(Clone)]
pub struct UpstreamRef(Arc<dyn Any + Send + Sync>);

impl UpstreamRef {
    /// Wraps what the proxy compiled.
    #[must_use]
    pub fn new(upstream: Arc<dyn Any + Send + Sync>) -> Self {
        Self(upstream)
    }

    /// What the proxy compiled, if it has this type.
    #[must_use]
    pub fn downcast<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        Arc::clone(&self.0).downcast().ok()
    }
}

impl fmt::Debug for UpstreamRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UpstreamRef")
    }
}

/// Compiles upstreams that stand inside plugin configurations.
pub trait Upstreams {
    /// Compiles one; its schema and meaning are checked.
    ///
    /// # Errors
    /// What is wrong with it.
    fn inline(&self, spec: &Value) -> Result<UpstreamRef, String>;
}

/// Checks inline upstreams without building them.
#[derive(Debug, Clone, Copy, Default)]
pub struct CheckedOnly;

impl Upstreams for CheckedOnly {
    fn inline(&self, spec: &Value) -> Result<UpstreamRef, String> {
        weir_model::upstream::Upstream::parse(spec).map_err(|problem| problem.to_string())?;
        Ok(UpstreamRef::new(Arc::new(())))
    }
}
