//! What a stream plugin is.

use std::time::Duration;

use serde::de::DeserializeOwned;

use super::StreamContext;
use crate::compile::CompileContext;

/// Static facts of a stream plugin, and its compiler. One type per plugin; never instantiated.
pub trait StreamPluginDef: 'static {
    /// Name in configurations.
    const NAME: &'static str;
    /// Order: larger runs first. APISIX's value, see objects.md section 17.
    const PRIORITY: i32;
    /// JSON schema of the configuration, as text (`include_str!`).
    const SCHEMA: &'static str;

    /// The configuration, with defaults.
    type Config: DeserializeOwned;
    /// What runs.
    type Compiled: StreamPlugin;

    /// Builds everything that need not be built per stream.
    ///
    /// # Errors
    /// What is wrong with the configuration beyond its schema, in APISIX's words where it has some.
    fn compile(
        config: Self::Config,
        context: &CompileContext<'_>,
    ) -> Result<Self::Compiled, String>;
}

/// A compiled stream plugin: immutable, shared by all workers.
pub trait StreamPlugin: Send + Sync + 'static {
    /// Runs when the stream route is known, before a node is chosen.
    fn preread(&self, _context: &mut StreamContext) -> StreamStep {
        StreamStep::Continue
    }

    /// Runs once when the stream is over; `context.record` is complete.
    fn log(&self, _context: &StreamContext) {}
}

/// What a plugin says at the end of `preread`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamStep {
    /// Go on with the next plugin.
    Continue,
    /// Close the stream; the log tells this status.
    Refuse(u16),
    /// Go on after this time.
    Delay(Duration),
    /// Come again when the client has sent more: [`StreamContext::front`] has it then. A client that
    /// sends nothing more, or more than fits, is disconnected, and so are those of UDP.
    Read,
}
