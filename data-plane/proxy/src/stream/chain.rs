//! The plugins of a stream route: its own, and those of its service that run on streams.

use std::sync::Arc;

use serde_json::Value;
use weir_model::field::expr::Expr;
use weir_model::plugin::{Meta, Plugins, without_meta};
use weir_model::{Key, Problem, schema};
use weir_plugin_api::stream::CompiledStreamPlugin;
use weir_plugin_api::{CompileContext, StreamContext, StreamEntry, StreamStep};

use super::front::Front;
use crate::chain::fingerprint;
use crate::error::Reason;
use crate::runtime::{InlineUpstreams, Site, StoredProtos};
use crate::worker::Worker;

/// An ordered set of stream plugins. Immutable.
#[derive(Default)]
pub struct Chain {
    slots: Box<[Slot]>,
}

struct Slot {
    name: &'static str,
    priority: i32,
    plugin: CompiledStreamPlugin,
    /// Skipped when this is false.
    filter: Option<Expr>,
    fingerprint: String,
}

impl Chain {
    /// Compiles the plugins of the stream route `owner`. Its `own` win over those of the `service`,
    /// of which those are left out that do not run on streams.
    pub(crate) fn compile(
        owner: &Key,
        own: &Plugins,
        service: Option<&Plugins>,
        site: Site<'_>,
    ) -> Result<Self, Problem> {
        let mut slots = Vec::new();
        for (name, config) in own {
            let entry = find(site, name).ok_or_else(|| {
                let message = format!("unknown plugin [{name}]: it does not run on streams");
                Problem::new(format!("plugins.{name}"), message)
            })?;
            slots.extend(slot(entry, config, owner, site)?);
        }
        let inherited = service.into_iter().flatten();
        for (name, config) in inherited.filter(|(name, _)| !own.contains_key(name.as_str())) {
            if let Some(entry) = find(site, name) {
                slots.extend(slot(entry, config, owner, site)?);
            }
        }
        slots.sort_by(|a, b| b.priority.cmp(&a.priority).then_with(|| a.name.cmp(b.name)));
        Ok(Self {
            slots: slots.into(),
        })
    }

    /// Whether it has this plugin.
    pub(crate) fn has(&self, plugin: &str) -> bool {
        self.slots.iter().any(|slot| slot.name == plugin)
    }

    /// Runs the plugins before a node is chosen. Where one refuses the stream, the record has the
    /// status.
    ///
    /// # Errors
    /// Why the stream is to be closed.
    pub(super) async fn preread(
        &self,
        context: &mut StreamContext,
        worker: &Worker,
        front: &mut impl Front,
    ) -> Result<(), Reason> {
        for slot in &self.slots {
            if !slot.runs(context) {
                continue;
            }
            loop {
                match slot.plugin.preread(context) {
                    StreamStep::Continue => break,
                    StreamStep::Refuse(status) => {
                        context.record.status = status;
                        return Err(Reason::PluginRefused);
                    }
                    StreamStep::Delay(time) => {
                        tokio::time::sleep(time).await;
                        break;
                    }
                    StreamStep::Read => front.more(worker, &mut context.front).await?,
                }
            }
        }
        Ok(())
    }

    /// Runs the log phase; `context.record` must be complete.
    pub fn log(&self, context: &StreamContext) {
        for slot in self.slots.iter().filter(|slot| slot.runs(context)) {
            slot.plugin.log(context);
        }
    }

    /// What it is, for comparing two chains.
    pub(crate) fn describe(&self) -> Vec<String> {
        let slots = self.slots.iter();
        slots
            .map(|slot| format!("{} {} {}", slot.name, slot.priority, slot.fingerprint))
            .collect()
    }
}

impl Slot {
    fn runs(&self, context: &StreamContext) -> bool {
        self.filter
            .as_ref()
            .is_none_or(|filter| filter.eval(context))
    }
}

fn find(site: Site<'_>, name: &str) -> Option<&'static StreamEntry> {
    let mut entries = site.env.stream_plugins.iter();
    entries.find(|entry| entry.name == name)
}

/// `None` when `_meta.disable` is set.
fn slot(
    entry: &'static StreamEntry,
    config: &Value,
    owner: &Key,
    site: Site<'_>,
) -> Result<Option<Slot>, Problem> {
    let name = entry.name;
    let problem = |message: String| {
        let text =
            format!("failed to check the configuration of stream plugin [{name}]: {message}");
        Problem::new(format!("plugins.{name}"), text)
    };
    let meta = Meta::of(config).map_err(problem)?;
    if meta.disable {
        return Ok(None);
    }
    let mut filled = without_meta(config);
    schema::check(entry.schema(), &mut filled).map_err(|error| problem(error.message))?;
    let metadata = site.metadata_of(name);
    let fingerprint = fingerprint(config, metadata.as_deref());
    let context = CompileContext {
        owner: Some(owner),
        metadata,
        fingerprint: fingerprint.clone(),
        living: site.env.living.clone(),
        attributes: site.env.attributes.clone(),
        outside: Arc::clone(&site.env.outside),
        upstreams: &InlineUpstreams { owner, site },
        protos: Some(&StoredProtos(site)),
    };
    Ok(Some(Slot {
        name,
        priority: meta.priority.unwrap_or(entry.priority),
        plugin: entry.compile(&filled, &context).map_err(problem)?,
        filter: meta.filter,
        fingerprint,
    }))
}
