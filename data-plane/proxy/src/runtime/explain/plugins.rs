//! Which plugins run, whose configuration each has, and why others do not.

use std::sync::Arc;

use weir_model::{Key, Kind};
use weir_plugin_api::{Context, Phase, Step};

use super::{Runtime, Taken};
use crate::chain::{Chain, OwnedSet, Slot};
use crate::runtime::directory::Group;

/// A plugin that is configured for the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginLine {
    /// Its name.
    pub name: &'static str,
    /// Order inside a phase; `None` when it does not run.
    pub priority: Option<i32>,
    /// The resource that carries the configuration.
    pub owner: Key,
    /// Whether it runs.
    pub state: State,
}

impl PluginLine {
    /// The status that it answers, with its name, when the request ends there.
    pub(super) fn answer(&self) -> Option<(&'static str, u16)> {
        match self.state {
            State::Answers(status) => Some((self.name, status)),
            _ => None,
        }
    }
}

/// Whether a plugin runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It runs.
    Runs,
    /// Its `_meta.filter` does not hold.
    Filtered,
    /// It answers in its rewrite phase, and the request ends there.
    Answers(u16),
    /// `_meta.disable` switches it off.
    Disabled,
    /// The configuration of this owner comes first.
    Overridden(Key),
    /// The route has its own copy, and it runs once.
    Repeated,
}

/// What running the plugins that can be run led to.
#[derive(Default)]
pub(super) struct Ran {
    pub(super) lines: Vec<PluginLine>,
    pub(super) notes: Vec<String>,
    ended: bool,
}

impl Runtime {
    /// Runs the rewrite phase of the plugins that may be run for an explanation, and lists all.
    pub(super) fn preview(
        &self,
        taken: Option<&Taken>,
        consumer: Option<&str>,
        context: &mut Context,
    ) -> Ran {
        let mut ran = Ran::default();
        let Some(taken) = taken else {
            ran.run(self.global.whole(), context, false);
            return ran;
        };
        let route = &taken.route;
        let global = self.global.beside(route.preferred);
        if let Some(name) = consumer {
            match context.host.consumer_by_name(name) {
                Some(consumer) => context.attach_consumer(consumer),
                None => ran.notes.push(format!("there is no consumer {name}")),
            }
        }
        let known = context.consumer.is_some();
        ran.run(global, context, known);
        // What comes with the consumer is merged in after those of the route have run.
        let before = ran.lines.len();
        ran.run(&route.chain, context, known);
        let mut owners = self.owners(taken);
        if let Some(consumer) = context.consumer.clone() {
            match self.consumers.chain(route, &consumer) {
                Ok(chain) if !Arc::ptr_eq(&chain, &route.chain) => {
                    let earlier = ran.lines.split_off(before);
                    ran.merged(&chain, &earlier, context);
                }
                Ok(_) => {}
                Err(group) => ran.notes.push(format!(
                    "consumer group {group} is missing: the answer is 503"
                )),
            }
            let brought = self.brought(&consumer.name);
            owners.splice(0..0, brought);
        }
        ran.absent(&owners);
        for slot in self.global.whole().slots() {
            let name = slot.plugin.entry.name;
            if !global.contains(name) {
                ran.lines.push(line(slot, State::Repeated));
            }
        }
        ran
    }

    /// Owners of plugins of a route, strongest first.
    fn owners(&self, taken: &Taken) -> Vec<(Key, Arc<OwnedSet>)> {
        let parts = &self.parts;
        let route = Key::new(Kind::Route, Arc::clone(&taken.route.info.id));
        let own = parts.route_plugins.get(&route).map(Arc::clone);
        let config = taken.plugin_config.as_ref().and_then(|key| {
            let plugins = &parts.plugin_configs.get(key)?.plugins;
            Some((key.clone(), Arc::clone(plugins)))
        });
        let service = taken.service.as_ref().and_then(|key| {
            let plugins = &parts.services.get(key)?.bundle.plugins;
            Some((key.clone(), Arc::clone(plugins)))
        });
        let own = own.map(|plugins| (route, plugins));
        [own, config, service].into_iter().flatten().collect()
    }

    /// Owners of plugins that come with a consumer, strongest first.
    fn brought(&self, consumer: &str) -> Vec<(Key, Arc<OwnedSet>)> {
        let Some(member) = self.consumers.directory.member(consumer) else {
            return Vec::new();
        };
        let own = (
            Key::new(Kind::Consumer, consumer),
            Arc::clone(&member.plugins),
        );
        let group = match (&member.group, &member.consumer.group_id) {
            (Some(Group::Found(plugins)), Some(id)) => Some((
                Key::new(Kind::ConsumerGroup, id.as_str()),
                Arc::clone(plugins),
            )),
            _ => None,
        };
        [Some(own), group].into_iter().flatten().collect()
    }
}

fn line(slot: &Slot, state: State) -> PluginLine {
    PluginLine {
        name: slot.plugin.entry.name,
        priority: Some(slot.plugin.priority),
        owner: slot.plugin.owner.clone(),
        state,
    }
}

impl Ran {
    /// Runs a chain; with a `known` consumer nobody is asked who the client is.
    fn run(&mut self, chain: &Chain, context: &mut Context, known: bool) {
        for slot in chain.slots() {
            let state = self.one(slot, context, known);
            self.lines.push(line(slot, state));
        }
    }

    /// Lists a chain with a consumer merged in, and runs what is new in it.
    fn merged(&mut self, chain: &Chain, earlier: &[PluginLine], context: &mut Context) {
        for slot in chain.slots() {
            let name = slot.plugin.entry.name;
            let state = match earlier.iter().find(|line| line.name == name) {
                Some(line) => line.state.clone(),
                None => self.one(slot, context, true),
            };
            self.lines.push(line(slot, state));
        }
    }

    fn one(&mut self, slot: &Slot, context: &mut Context, known: bool) -> State {
        let plugin = &slot.plugin;
        context.instance = slot.instance;
        if plugin
            .filter
            .as_ref()
            .is_some_and(|filter| !filter.eval(context))
        {
            return State::Filtered;
        }
        let entry = plugin.entry;
        let runs = entry.preview && entry.phases.contains(Phase::Rewrite) && !self.ended;
        if !runs || (known && entry.auth) {
            return State::Runs;
        }
        match plugin.plugin.rewrite(context) {
            Step::Respond(answer) | Step::RespondAfter(_, answer) => {
                self.ended = true;
                State::Answers(answer.status.as_u16())
            }
            // A plugin that waits is not one that may be run like this; it is listed all the same.
            Step::Continue | Step::Delay(_) | Step::ReadBody | Step::Wait(_) => State::Runs,
        }
    }

    /// Adds what owners carry that does not run.
    fn absent(&mut self, owners: &[(Key, Arc<OwnedSet>)]) {
        let mut first: Vec<(&'static str, &Key)> = Vec::new();
        for (owner, plugins) in owners {
            for (name, plugin) in plugins.iter() {
                let stronger = first.iter().find(|(known, _)| known == name);
                let state = match (stronger, plugin) {
                    (Some((_, stronger)), _) => State::Overridden((*stronger).clone()),
                    (None, None) => State::Disabled,
                    (None, Some(_)) => {
                        first.push((name, owner));
                        continue;
                    }
                };
                if stronger.is_none() {
                    first.push((name, owner));
                }
                self.lines.push(PluginLine {
                    name,
                    priority: None,
                    owner: owner.clone(),
                    state,
                });
            }
        }
    }
}
