#![doc = include_str!("README.md")]

mod config;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

use weir_model::field::variable::{Variable, Variables};
use weir_plugin_api::{CompileContext, Context, Phase, Phases, Plugin, PluginDef, Step};

use crate::ip_restriction::ranges::Ranges;

pub use config::Config;

/// An address, and the port if one stands beside it.
type Told = (IpAddr, Option<NonZeroU16>);

const FORWARDED_FOR: &str = "http_x_forwarded_for";

/// Definition of `real-ip`.
pub struct RealIp;

impl PluginDef for RealIp {
    const NAME: &'static str = "real-ip";
    const PRIORITY: i32 = 23000;
    const PHASES: Phases = Phases::of(&[Phase::Rewrite]);
    const PREVIEW: bool = true;
    const SCHEMA: &'static str = include_str!("schema.json");

    type Config = Config;
    type Compiled = Compiled;

    fn compile(config: Config, _context: &CompileContext<'_>) -> Result<Compiled, String> {
        let trusted = config.trusted_addresses.as_deref().map(Ranges::parse);
        Ok(Compiled {
            is_list: config.source == FORWARDED_FOR,
            source: Variable::known(&config.source).map_err(|error| format!("source: {error}"))?,
            trusted: trusted.transpose()?,
            recursive: config.recursive,
        })
    }
}

/// `real-ip`, ready to run.
pub struct Compiled {
    source: Variable,
    /// Whether the source is a list of addresses.
    is_list: bool,
    trusted: Option<Ranges>,
    recursive: bool,
}

impl Plugin for Compiled {
    fn rewrite<'a>(&'a self, context: &'a mut Context) -> Step<'a> {
        let peer = context.request.client_ip;
        if self
            .trusted
            .as_ref()
            .is_none_or(|trusted| trusted.contains(peer))
            && let Some((address, port)) = self.told(context)
        {
            context.request.client_ip = address.to_canonical();
            if let Some(port) = port {
                context.request.client_port = port.get();
            }
        }
        Step::Continue
    }
}

impl Compiled {
    fn told(&self, context: &Context) -> Option<Told> {
        if !self.is_list {
            return parse(&context.get(&self.source)?.into_text());
        }
        let lines = context.request.headers.get_all("x-forwarded-for").iter();
        let entries: Vec<&str> = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(','))
            .map(str::trim)
            .collect();
        match &self.trusted {
            Some(trusted) if self.recursive => {
                let is_foreign = |entry: &&&str| {
                    parse(entry).is_none_or(|(address, _)| !trusted.contains(address))
                };
                let (first, others) = entries.split_first()?;
                parse(others.iter().rev().find(is_foreign).unwrap_or(first))
            }
            _ => parse(entries.last()?),
        }
    }
}

/// Reads an address, with or without port and brackets.
fn parse(text: &str) -> Option<Told> {
    let text = text.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    if let Ok(address) = bare.unwrap_or(text).parse() {
        return Some((address, None));
    }
    let address: SocketAddr = text.parse().ok()?;
    Some((address.ip(), Some(NonZeroU16::new(address.port())?)))
}
