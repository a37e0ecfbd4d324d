#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, Uri};
use weir_plugin_api::outside::HttpCall;
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, Step};

use crate::aws_signature::{Moment, Signer};
use crate::function_call::{Function, answered, set_unless_sent};
use crate::header_edit::secret_value;

pub use config::{Authorization, Config, Iam};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Definition of `aws-lambda`.
pub struct AwsLambda;

impl PluginDef for AwsLambda {
    const NAME: &'static str = "aws-lambda";
    const PRIORITY: i32 = -1899;
    const PHASES: Phases = Phases::of(&[Phase::Access]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        let function = Function::at(Self::NAME, config.function)?;
        let authorization = config.authorization.unwrap_or_default();
        let key = authorization.apikey.as_deref();
        let signer = authorization.iam.map(|iam| Signer {
            access_key: iam.accesskey,
            secret_key: iam.secretkey,
            region: iam.aws_region,
            service: iam.service,
        });
        if let Some(signer) = &signer {
            secret_value("authorization.iam.accesskey", &signer.access_key)?;
        }
        Ok(Compiled {
            function,
            api_key: key
                .map(|key| secret_value("authorization.apikey", key))
                .transpose()?,
            signer,
        })
    }
}

/// `aws-lambda`, ready to run.
pub struct Compiled {
    function: Function,
    api_key: Option<HeaderValue>,
    signer: Option<Signer>,
}

impl Compiled {
    /// Says who calls, unless the client does. A key goes before a signature, as in APISIX.
    fn authorize(&self, call: &mut HttpCall, context: &Context) -> Result<(), String> {
        if self.api_key.is_some() && !call.headers.contains_key(API_KEY) {
            set_unless_sent(call, &API_KEY, self.api_key.as_ref());
            return Ok(());
        }
        let Some(signer) = &self.signer else {
            return Ok(());
        };
        if call.headers.contains_key(AUTHORIZATION) {
            return Ok(());
        }
        // Servers differ in what they take `+` for; signer and reader must not.
        if let Some(query) = call.uri.query().filter(|query| query.contains('+')) {
            let spaced = query.replace('+', "%20");
            let uri = call.uri.to_string().replace(query, &spaced);
            call.uri = uri.parse::<Uri>().map_err(|error| error.to_string())?;
        }
        let value = signer.sign(call, &Moment::of(context.host.unix_ms()))?;
        call.headers.insert(AUTHORIZATION, value);
        Ok(())
    }
}

impl Plugin for Compiled {
    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let mut call = match self.function.request(context) {
            Ok(call) => call,
            Err(step) => return step,
        };
        if let Err(error) = self.authorize(&mut call, context) {
            return self.function.failed(&error);
        }
        self.function.ask(call, context, answered)
    }
}
