#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use http::StatusCode;
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, Response, Step};

use crate::refusal::status;

pub use config::{Config, Subject, UserMethods};

/// Definition of `consumer-restriction`.
pub struct ConsumerRestriction;

impl PluginDef for ConsumerRestriction {
    const NAME: &'static str = "consumer-restriction";
    const PRIORITY: i32 = 2400;
    const PHASES: Phases = Phases::of(&[Phase::Access]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        let subject = config.subject;
        let message = match config.rejected_msg {
            Some(message) => message,
            None => format!("The {} is forbidden.", subject.as_str()),
        };
        let unknown = format!(
            "The request is rejected, please check the {} for this request",
            subject.as_str()
        );
        let mut methods: HashMap<String, HashSet<String>> = HashMap::new();
        for line in config.allowed_by_methods.unwrap_or_default() {
            if let (Some(user), Some(list)) = (line.user, line.methods) {
                // The first list of a user counts.
                methods
                    .entry(user)
                    .or_insert_with(|| list.into_iter().collect());
            }
        }
        Ok(Compiled {
            subject,
            blacklist: config.blacklist.map(HashSet::from_iter),
            whitelist: config.whitelist.map(HashSet::from_iter),
            methods,
            refusal: Response::message(status("rejected_code", config.rejected_code)?, &message),
            unknown: Response::message(StatusCode::UNAUTHORIZED, &unknown),
        })
    }
}

/// `consumer-restriction`, ready to run.
pub struct Compiled {
    subject: Subject,
    blacklist: Option<HashSet<String>>,
    whitelist: Option<HashSet<String>>,
    methods: HashMap<String, HashSet<String>>,
    refusal: Response,
    unknown: Response,
}

impl Plugin for Compiled {
    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let Some(value) = self.value(context) else {
            return Step::respond(self.unknown.clone());
        };
        if self.allows(value, context.request.method.as_str()) {
            return Step::Continue;
        }
        Step::respond(self.refusal.clone())
    }
}

impl Compiled {
    fn value<'c>(&self, context: &'c Context) -> Option<&'c str> {
        let route = context.route.as_deref();
        let value = match self.subject {
            Subject::ConsumerName => Some(context.consumer.as_ref()?.name.as_str()),
            Subject::ConsumerGroupId => context.consumer.as_ref()?.group_id.as_deref(),
            Subject::ServiceId => route.map(|route| &*route.service_id),
            Subject::RouteId => route.map(|route| &*route.id),
        };
        value.filter(|value| !value.is_empty())
    }

    fn allows(&self, value: &str, method: &str) -> bool {
        let listed = |list: &HashSet<String>| list.contains(value);
        if self.blacklist.as_ref().is_some_and(listed) {
            return false;
        }
        match &self.whitelist {
            Some(list) => listed(list),
            None => {
                let methods = self.methods.get(value);
                methods.is_none_or(|methods| methods.contains(method))
            }
        }
    }
}
