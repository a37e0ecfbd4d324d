//! What a plugin is.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::compile::CompileContext;
use crate::context::Context;
use crate::host::Prepared;
use crate::phase::Phases;
use crate::step::Step;

/// Which copy runs when a plugin stands on a global rule and on the route as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunPolicy {
    /// Both run.
    Both,
    /// Only the route's copy runs.
    PreferRoute,
}

/// Static facts of a plugin, and its compiler. One type per plugin; never instantiated.
pub trait PluginDef: 'static {
    /// Name in configurations.
    const NAME: &'static str;
    /// Order inside a phase: larger runs first. APISIX's value, see objects.md section 17.
    const PRIORITY: i32;
    /// Phases in which [`Self::Compiled`] does something; it is not called in others.
    const PHASES: Phases;
    /// Whether it authenticates: may stand in credentials, runs before the consumer's plugins merge.
    const AUTH: bool = false;
    /// Whether its rewrite phase is a function of request and configuration: it neither waits nor
    /// counts. Such a plugin is run to explain what would become of a request.
    const PREVIEW: bool = false;
    /// What happens when it is on a global rule and on the route.
    const RUN_POLICY: RunPolicy = RunPolicy::Both;
    /// JSON schema of the configuration, as text (`include_str!("schema.json")`).
    const SCHEMA: &'static str;
    /// JSON schema of the part that consumers carry.
    const CONSUMER_SCHEMA: Option<&'static str> = None;
    /// The plugin whose metadata it is compiled with.
    const METADATA_OF: &'static str = Self::NAME;
    /// JSON schema of the plugin metadata.
    const METADATA_SCHEMA: Option<&'static str> = None;

    /// The configuration, with defaults.
    type Config: DeserializeOwned;
    /// What runs.
    type Compiled: Plugin;

    /// Builds everything that need not be built per request: regexes, sets, templates.
    ///
    /// # Errors
    /// What is wrong with the configuration beyond its schema, in APISIX's words where it has some.
    fn compile(
        config: Self::Config,
        context: &CompileContext<'_>,
    ) -> Result<Self::Compiled, String>;

    /// What APISIX says of a configuration in place of a `message` of the schema.
    fn reword(_config: &Value, _message: &str) -> Option<&'static str> {
        None
    }

    /// The unique key by which a request finds its consumer, from the consumer's part.
    fn consumer_key(_config: &Value) -> Option<String> {
        None
    }

    /// Checks a consumer's part beyond its schema.
    ///
    /// # Errors
    /// What is wrong with it.
    fn check_consumer(_config: &Value) -> Result<(), String> {
        Ok(())
    }

    /// Makes of a consumer's part what need not be made per request: parsed keys. It is found in
    /// [`crate::Consumer::prepared`].
    fn prepare_consumer(_config: &Value) -> Prepared {
        Prepared::default()
    }

    /// Checks plugin metadata beyond its schema.
    ///
    /// # Errors
    /// What is wrong with it.
    fn check_metadata(_metadata: &Value) -> Result<(), String> {
        Ok(())
    }
}

/// A compiled plugin: immutable, shared by all workers.
///
/// Early phases (`rewrite`, `access`, `before_proxy`) may answer or wait; filters and `log` may
/// not wait. State of one request lives in [`Context::local_mut`].
pub trait Plugin: Send + Sync + 'static {
    /// Runs after routing.
    fn rewrite<'a>(&'a self, _context: &'a mut Context) -> Step<'a> {
        Step::Continue
    }

    /// Runs after authentication.
    fn access<'a>(&'a self, _context: &'a mut Context) -> Step<'a> {
        Step::Continue
    }

    /// Runs after a node is picked, for each try.
    fn before_proxy<'a>(&'a self, _context: &'a mut Context) -> Step<'a> {
        Step::Continue
    }

    /// Runs when the head of the answer is known; `context.response` is set.
    fn header_filter(&self, _context: &mut Context) {}

    /// Runs for each chunk of the body; `end` is true exactly once, at the end, possibly with an
    /// empty chunk. A filter that buffers leaves `chunk` empty until `end`.
    fn body_filter(&self, _context: &mut Context, _chunk: &mut Bytes, _end: bool) {}

    /// Runs once when the exchange is over; `context.record` is complete.
    fn log(&self, _context: &mut Context) {}
}
