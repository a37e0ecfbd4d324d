//! The plugins of one request under way: global rules, and the merged set of its route.

use std::sync::Arc;

use bytes::Bytes;
use weir_plugin_api::{Context, Phase, Response};

use super::Chain;
use crate::error::Reason;
use crate::http::intake::Intake;
use crate::runtime::{CompiledRoute, Consumers};

/// Both chains, and what is needed to merge a consumer in.
#[derive(Default)]
pub struct Active {
    global: Arc<Chain>,
    set: Arc<Chain>,
    merge: Option<(Arc<Consumers>, Arc<CompiledRoute>)>,
}

impl Active {
    /// The chains of a request without a route.
    #[must_use]
    pub fn without_route(global: Arc<Chain>) -> Self {
        Self {
            global,
            ..Self::default()
        }
    }

    /// The chains of a request on `route`.
    #[must_use]
    pub fn on_route(
        global: Arc<Chain>,
        route: Arc<CompiledRoute>,
        consumers: Arc<Consumers>,
    ) -> Self {
        Self {
            global,
            set: Arc::clone(&route.chain),
            merge: Some((consumers, route)),
        }
    }

    /// The rewrite and access phases, in the order of objects.md section 6. An answer ends them.
    ///
    /// # Errors
    /// Why the body, which some plugin looks at, cannot be read, or that the consumer's group is
    /// missing.
    pub async fn early(
        &mut self,
        context: &mut Context,
        intake: &mut Intake,
    ) -> Result<Option<Box<Response>>, Reason> {
        let answer = self.early_phases(context, intake).await?;
        Ok(answer.map(|answer| changed(context, answer)))
    }

    async fn early_phases(
        &mut self,
        context: &mut Context,
        intake: &mut Intake,
    ) -> Result<Option<Box<Response>>, Reason> {
        let reads_body = self.global.reads_body() || self.set.reads_body();
        look(reads_body, context, intake).await?;
        if let Some(answer) = self
            .global
            .run(Phase::Rewrite, context, Some(&mut *intake))
            .await?
        {
            return Ok(Some(answer));
        }
        if let Some(answer) = self
            .set
            .run(Phase::Rewrite, context, Some(&mut *intake))
            .await?
        {
            return Ok(Some(answer));
        }
        if let Some(consumer) = context.consumer.clone()
            && let Some((consumers, route)) = &self.merge
        {
            match consumers.chain(route, &consumer) {
                Ok(chain) => self.set = chain,
                Err(group) => {
                    tracing::warn!(consumer = %consumer.name, %group, "consumer group is missing");
                    return Err(Reason::PluginsMissing);
                }
            }
            look(self.set.reads_body(), context, intake).await?;
            if let Some(answer) = self.set.run_added_rewrite(context, intake).await? {
                return Ok(Some(answer));
            }
        }
        if let Some(answer) = self
            .global
            .run(Phase::Access, context, Some(&mut *intake))
            .await?
        {
            return Ok(Some(answer));
        }
        self.set.run(Phase::Access, context, Some(intake)).await
    }

    /// The phase after a node is picked, once per try.
    ///
    /// # Errors
    /// None today: nobody reads the body in this phase.
    pub async fn before_proxy(
        &mut self,
        context: &mut Context,
    ) -> Result<Option<Box<Response>>, Reason> {
        let mut answer = self.global.run(Phase::BeforeProxy, context, None).await?;
        if answer.is_none() {
            answer = self.set.run(Phase::BeforeProxy, context, None).await?;
        }
        Ok(answer.map(|answer| changed(context, answer)))
    }

    /// Runs the header filters; `context.response` must be set.
    pub fn header_filter(&self, context: &mut Context) {
        self.global.header_filter(context);
        self.set.header_filter(context);
    }

    /// Whether some plugin filters bodies.
    #[must_use]
    pub fn filters_body(&self) -> bool {
        self.global.has_body_filter() || self.set.has_body_filter()
    }

    /// Whether some plugin runs after the header filters.
    #[must_use]
    pub fn follows_answer(&self) -> bool {
        self.filters_body() || self.global.has_log() || self.set.has_log()
    }

    /// Runs the body filters over one piece.
    pub fn body_filter(&self, context: &mut Context, piece: &mut Bytes, end: bool) {
        self.global.body_filter(context, piece, end);
        self.set.body_filter(context, piece, end);
    }

    /// Runs the log phase; `context.record` must be complete.
    pub fn log(&self, context: &mut Context) {
        self.global.log(context);
        self.set.log(context);
    }
}

/// The answer that goes out in place of a plugin's, or of the gateway's own.
pub(crate) fn changed(context: &mut Context, mut answer: Box<Response>) -> Box<Response> {
    for change in std::mem::take(&mut context.answer_changes) {
        *answer = change.change(context, *answer);
    }
    answer
}

/// Reads the body, unless that was done, when somebody `reads_body`.
async fn look(reads_body: bool, context: &mut Context, intake: &mut Intake) -> Result<(), Reason> {
    if reads_body {
        intake.limit(context.max_body)?;
        context.request.body.want();
        intake.fill(&mut context.request).await?;
    }
    Ok(())
}
