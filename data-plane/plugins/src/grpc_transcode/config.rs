//! Configuration of `grpc-transcode`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What an operator writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Id of the proto object, a text or a number.
    pub proto_id: Value,
    /// Full name of the service: `package.Service`.
    pub service: String,
    /// Name of the method.
    pub method: String,
    /// Milliseconds that the node is given; 0: no limit is told.
    #[serde(default)]
    pub deadline: f64,
    /// How messages become JSON.
    #[serde(default = "default_options")]
    pub pb_option: Vec<PbOption>,
    /// Whether the body of a failure tells its details.
    #[serde(default)]
    pub show_status_in_body: bool,
    /// Message type of these details.
    #[serde(default)]
    pub status_detail_type: Option<String>,
    /// Largest answer that is held, in bytes.
    #[serde(default = "default_size")]
    pub max_resp_body_size: usize,
}

/// An option of lua-protobuf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PbOption {
    /// Values of enumerations are written by name.
    EnumAsName,
    /// Values of enumerations are written as numbers.
    EnumAsValue,
    /// Integers of 64 bits are numbers.
    Int64AsNumber,
    /// Integers that need more than 32 bits are texts: `"#9007199254740993"`.
    Int64AsString,
    /// The same in base 16: `"#0x20000000000001"`.
    Int64AsHexstring,
    /// Fields that are not set have their default value, in proto3.
    AutoDefaultValues,
    /// Fields that are not set are left out.
    NoDefaultValues,
    /// Fields that are not set have their default value.
    UseDefaultValues,
    /// As `no_default_values`: defaults do not stand in the JSON.
    UseDefaultMetatable,
    /// Hooks are functions in Lua: there are none.
    EnableHooks,
    /// No hooks.
    DisableHooks,
}

fn default_options() -> Vec<PbOption> {
    vec![
        PbOption::EnumAsName,
        PbOption::Int64AsNumber,
        PbOption::AutoDefaultValues,
        PbOption::DisableHooks,
    ]
}

const fn default_size() -> usize {
    64 << 20
}
