//! The contract between the proxy and its plugins: what a plugin declares, what it sees of a
//! request, what it may answer, and which host services it may ask for.
//!
//! No I/O happens here and no plugin is known here. The proxy drives the phases; plugins return a
//! [`Step`] and never write to a connection.

pub mod compile;
pub mod context;
pub mod entry;
pub mod host;
pub mod living;
pub mod phase;
pub mod plugin;
pub mod request;
pub mod response;
pub mod step;
pub mod vars;

pub use compile::CompileContext;
pub use context::{Context, Record, RouteInfo};
pub use entry::{CompiledPlugin, Entry};
pub use host::{Consumer, Host};
pub use living::Living;
pub use phase::{Phase, Phases};
pub use plugin::{Plugin, PluginDef, RunPolicy};
pub use request::{RequestHead, Scheme, UpstreamTarget};
pub use response::{Body, Response, ResponseHead};
pub use step::Step;
