#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::Value;
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, Step};

use crate::function_call::{Function, answered, set_unless_sent};
use crate::header_edit::secret_value;

pub use config::{Authorization, Config, Metadata};

const KEY: HeaderName = HeaderName::from_static("x-functions-key");
const CLIENT_ID: HeaderName = HeaderName::from_static("x-functions-clientid");

/// Definition of `azure-functions`.
pub struct AzureFunctions;

impl PluginDef for AzureFunctions {
    const NAME: &'static str = "azure-functions";
    const PRIORITY: i32 = -1900;
    const PHASES: Phases = Phases::of(&[Phase::Access]);
    const SCHEMA: &'static str = include_str!("schema.json");
    const METADATA_SCHEMA: Option<&'static str> = Some(include_str!("metadata.schema.json"));

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, context: &CompileContext<'_>) -> Result<Compiled, String> {
        let function = Function::at(Self::NAME, config.function)?;
        let (key, client_id) = match (config.authorization, context.metadata.as_deref()) {
            (Some(own), _) => credentials(
                "authorization",
                &["apikey", "clientid"],
                [own.apikey, own.clientid],
            )?,
            (None, Some(metadata)) => master(metadata)?,
            (None, None) => (None, None),
        };
        Ok(Compiled {
            function,
            key,
            client_id,
        })
    }

    fn check_metadata(metadata: &Value) -> Result<(), String> {
        master(metadata).map(drop)
    }
}

type Credentials = (Option<HeaderValue>, Option<HeaderValue>);

/// The credentials of all configurations without ones of their own.
fn master(metadata: &Value) -> Result<Credentials, String> {
    let master = Metadata::deserialize(metadata);
    let master = master.map_err(|error| format!("plugin metadata: {error}"))?;
    credentials(
        "plugin metadata",
        &["master_apikey", "master_clientid"],
        [Some(master.master_apikey), Some(master.master_clientid)],
    )
}

/// Key and client id; what is empty is none.
fn credentials(
    of: &str,
    fields: &[&str; 2],
    [key, client_id]: [Option<String>; 2],
) -> Result<Credentials, String> {
    let [key_field, id_field] = fields;
    let one = |field: &str, value: Option<String>| match value.filter(|value| !value.is_empty()) {
        Some(value) => secret_value(&format!("{of}.{field}"), &value).map(Some),
        None => Ok(None),
    };
    Ok((one(key_field, key)?, one(id_field, client_id)?))
}

/// `azure-functions`, ready to run.
pub struct Compiled {
    function: Function,
    key: Option<HeaderValue>,
    client_id: Option<HeaderValue>,
}

impl Plugin for Compiled {
    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let mut call = match self.function.request(context) {
            Ok(call) => call,
            Err(step) => return step,
        };
        // A client that says who it is, by either, is left alone.
        let sent = call.headers.contains_key(KEY) || call.headers.contains_key(CLIENT_ID);
        if !sent {
            set_unless_sent(&mut call, &KEY, self.key.as_ref());
            set_unless_sent(&mut call, &CLIENT_ID, self.client_id.as_ref());
        }
        self.function.ask(call, context, answered)
    }
}
