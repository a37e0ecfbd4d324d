#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use weir_plugin_api::{
    CompileContext, Context, Location, Phase, Phases, Plugin, PluginDef, Response, Step,
};

use crate::refusal::status;

pub use config::{Config, Places};

/// Definition of `geo-restriction`.
pub struct GeoRestriction;

impl PluginDef for GeoRestriction {
    const NAME: &'static str = "geo-restriction";
    /// Ours: among the plugins that refuse by who asks.
    const PRIORITY: i32 = 2995;
    const PHASES: Phases = Phases::of(&[Phase::Access]);
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        let allows = config.allowlist.is_some();
        let places = match (config.allowlist, config.denylist) {
            (Some(places), None) | (None, Some(places)) => places,
            _ => return Err("expected one list, allowlist or denylist".into()),
        };
        let code = status("response_code", config.response_code)?;
        Ok(Compiled {
            countries: codes(&places.countries),
            continents: codes(&places.continents),
            allows,
            allow_unknown: config.allow_unknown.unwrap_or(!allows),
            refusal: Response::message(code, &config.message),
        })
    }
}

fn codes(list: &[String]) -> HashSet<String> {
    list.iter().map(|code| code.to_ascii_uppercase()).collect()
}

/// `geo-restriction`, ready to run.
pub struct Compiled {
    countries: HashSet<String>,
    continents: HashSet<String>,
    /// Whether the places are those that pass.
    allows: bool,
    allow_unknown: bool,
    refusal: Response,
}

impl Plugin for Compiled {
    fn access<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let place = context.host.location(context.request.client_ip);
        let place = place.filter(|place| self.is_known(place));
        let passes = match place {
            Some(place) => self.lists(&place) == self.allows,
            None => self.allow_unknown,
        };
        if passes {
            return Step::Continue;
        }
        Step::respond(self.refusal.clone())
    }
}

impl Compiled {
    /// Whether enough is known of a place to say whether it is listed.
    fn is_known(&self, place: &Location) -> bool {
        let country = self.countries.is_empty() || place.country.is_some();
        let continent = self.continents.is_empty() || place.continent.is_some();
        (country && continent) || self.lists(place)
    }

    fn lists(&self, place: &Location) -> bool {
        let of = |list: &HashSet<String>, code: &Option<String>| {
            code.as_ref().is_some_and(|code| list.contains(code))
        };
        of(&self.countries, &place.country) || of(&self.continents, &place.continent)
    }
}
