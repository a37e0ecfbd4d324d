//! Driving the phases.

use bytes::Bytes;
use weir_plugin_api::{Body, Context, Phase, Plugin, Response, Step};

use super::{Chain, PluginInstance, Slot};
use crate::error::Reason;
use crate::http::intake::Intake;

/// Whether `_meta.filter` lets a plugin run: decided once per request.
#[derive(Default)]
struct Verdict(Option<bool>);

impl Chain {
    /// Runs an early phase. An answer ends all early phases. Without `intake` the body is on its
    /// way already.
    ///
    /// # Errors
    /// Why the body, which some plugin asks for, cannot be read.
    pub async fn run(
        &self,
        phase: Phase,
        context: &mut Context,
        intake: Option<&mut Intake>,
    ) -> Result<Option<Box<Response>>, Reason> {
        self.run_slots(self.of(phase), phase, context, intake).await
    }

    /// The rewrite phase of the plugins that came with the consumer.
    ///
    /// # Errors
    /// As [`Chain::run`].
    pub async fn run_added_rewrite(
        &self,
        context: &mut Context,
        intake: &mut Intake,
    ) -> Result<Option<Box<Response>>, Reason> {
        self.run_slots(&self.added, Phase::Rewrite, context, Some(intake))
            .await
    }

    async fn run_slots(
        &self,
        slots: &[u32],
        phase: Phase,
        context: &mut Context,
        mut intake: Option<&mut Intake>,
    ) -> Result<Option<Box<Response>>, Reason> {
        for slot in slots {
            let Some(slot) = self.enter(*slot, context) else {
                continue;
            };
            loop {
                let step = begin(slot.plugin.plugin.as_ref(), phase, context);
                match settle(step).await {
                    Settled::Done => break,
                    Settled::Answer(response) => return Ok(Some(respond(&slot.plugin, response))),
                    Settled::ReadBody => {
                        let Some(intake) = intake.as_deref_mut() else {
                            break;
                        };
                        // An earlier plugin may have had a say in it.
                        intake.limit(context.max_body)?;
                        // A plugin that asks again for what it has does not hold up the request.
                        if !intake.fill(&mut context.request).await? {
                            break;
                        }
                    }
                }
            }
        }
        Ok(None)
    }

    /// Runs the header filters; `context.response` must be set.
    pub fn header_filter(&self, context: &mut Context) {
        for slot in self.of(Phase::HeaderFilter) {
            if let Some(slot) = self.enter(*slot, context) {
                slot.plugin.plugin.header_filter(context);
            }
        }
    }

    /// Runs the body filters over one chunk.
    pub fn body_filter(&self, context: &mut Context, chunk: &mut Bytes, end: bool) {
        for slot in self.of(Phase::BodyFilter) {
            if let Some(slot) = self.enter(*slot, context) {
                slot.plugin.plugin.body_filter(context, chunk, end);
            }
        }
    }

    /// Runs the log phase; `context.record` must be complete.
    pub fn log(&self, context: &mut Context) {
        for slot in self.of(Phase::Log) {
            if let Some(slot) = self.enter(*slot, context) {
                slot.plugin.plugin.log(context);
            }
        }
    }

    /// The plugin at a position, unless its filter keeps it out.
    fn enter(&self, at: u32, context: &mut Context) -> Option<&Slot> {
        let slot = self.slots.get(at as usize)?;
        if context.skips(slot.plugin.entry.name) {
            return None;
        }
        context.instance = slot.instance;
        let Some(filter) = &slot.plugin.filter else {
            return Some(slot);
        };
        let runs = match context.local_mut::<Verdict>().0 {
            Some(known) => known,
            None => {
                let decided = filter.eval(context);
                context.local_mut::<Verdict>().0 = Some(decided);
                decided
            }
        };
        runs.then_some(slot)
    }
}

/// What a step comes to once it has waited.
enum Settled {
    Done,
    Answer(Box<Response>),
    ReadBody,
}

async fn settle(mut step: Step<'_>) -> Settled {
    loop {
        step = match step {
            Step::Continue => return Settled::Done,
            Step::Respond(response) => return Settled::Answer(response),
            Step::ReadBody => return Settled::ReadBody,
            // The wheel is too coarse for a delay, and a request that is held back may cost a timer
            // of its own.
            Step::Delay(time) => {
                tokio::time::sleep(time).await;
                return Settled::Done;
            }
            Step::RespondAfter(time, response) => {
                tokio::time::sleep(time).await;
                return Settled::Answer(response);
            }
            Step::Wait(future) => future.await,
        };
    }
}

fn begin<'a>(plugin: &'a dyn Plugin, phase: Phase, context: &'a mut Context) -> Step<'a> {
    match phase {
        Phase::Rewrite => plugin.rewrite(context),
        Phase::Access => plugin.access(context),
        Phase::BeforeProxy => plugin.before_proxy(context),
        Phase::HeaderFilter | Phase::BodyFilter | Phase::Log => Step::Continue,
    }
}

/// The plugin's answer, with the body that `_meta.error_response` asks for.
fn respond(plugin: &PluginInstance, mut response: Box<Response>) -> Box<Response> {
    if let Some(body) = &plugin.error_response
        && response.status.as_u16() >= 400
    {
        response.body = match body {
            serde_json::Value::String(text) => Body::Text(Bytes::from(text.clone())),
            other => Body::Json(other.clone()),
        };
    }
    response
}
