#![doc = include_str!("../README.md")]

pub mod address;
pub mod body;
pub mod coding;
pub mod compile;
pub mod context;
pub mod entry;
pub mod gateway;
pub mod host;
pub mod key;
pub mod living;
pub mod outside;
pub mod phase;
pub mod plugin;
pub mod protos;
pub mod request;
pub mod response;
pub mod step;
pub mod stream;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
pub mod text;
pub mod tried;
pub mod upstreams;
pub mod vars;

pub use address::NodeAddress;
pub use body::{BodyLimits, RequestBody, WholeBody};
pub use coding::{BodyEncoder, ContentCoding};
pub use compile::{Attributes, CompileContext};
pub use context::{Context, Record, RouteInfo, TraceContext};
pub use entry::{CompiledPlugin, Entry};
pub use gateway::{ChangeAnswer, Gateway, NoInnerAnswer};
pub use host::{Consumer, Host, Location, Prepared};
pub use key::KeySource;
pub use living::{Living, SHELVES};
pub use outside::Outside;
pub use phase::{Phase, Phases};
pub use plugin::{Plugin, PluginDef, RunPolicy};
pub use protos::Protos;
pub use request::{Relay, RequestHead, Scheme, UpstreamTarget};
pub use response::{Body, Response, ResponseHead};
pub use step::Step;
pub use stream::{
    StreamContext, StreamEntry, StreamHead, StreamPlugin, StreamPluginDef, StreamRecord, StreamStep,
};
pub use tried::Tried;
pub use upstreams::{UpstreamChoice, UpstreamRef};
