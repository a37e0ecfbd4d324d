//! Bodies in entries, within limits.

use bytes::{Bytes, BytesMut};
use serde_json::Value;
use weir_model::field::expr::Expr;
use weir_plugin_api::{Context, Step};

/// Whether a body is logged, and how much of it.
pub(super) struct Rule {
    condition: Option<Expr>,
    limit: usize,
}

impl Rule {
    /// `None` when it is not logged.
    ///
    /// # Errors
    /// What is wrong with the expression.
    pub(super) fn compile(
        name: &str,
        included: bool,
        condition: Option<&Vec<Value>>,
        limit: usize,
    ) -> Result<Option<Self>, String> {
        let condition = condition.map(|vars| Expr::parse(&Value::Array(vars.clone())));
        let condition = condition
            .transpose()
            .map_err(|reason| format!("failed to validate the '{name}' expression: {reason}"))?;
        Ok(included.then_some(Self { condition, limit }))
    }

    fn holds(&self, context: &Context) -> bool {
        self.condition
            .as_ref()
            .is_none_or(|condition| condition.eval(context))
    }
}

/// What was kept of an answer's body; `None` until it is known whether it is logged.
#[derive(Default)]
pub(super) struct Kept(Option<(bool, BytesMut)>);

/// Reads the request's body when it is to be logged.
pub(super) fn read(rule: &Rule, context: &Context) -> Step<'static> {
    if rule.holds(context) && context.request.body.front(rule.limit).is_none() {
        return Step::ReadBody;
    }
    Step::Continue
}

/// The request's body as it is logged.
pub(super) fn of_request(rule: &Rule, context: &Context) -> Option<String> {
    if !rule.holds(context) {
        return None;
    }
    let bytes = context.request.body.front(rule.limit)?;
    (!bytes.is_empty()).then(|| String::from_utf8_lossy(bytes).into_owned())
}

/// Keeps a piece of the answer's body when it is to be logged.
pub(super) fn keep(rule: &Rule, context: &mut Context, piece: &Bytes) {
    if context.local_mut::<Kept>().0.is_none() {
        let holds = rule.holds(context);
        context.local_mut::<Kept>().0 = Some((holds, BytesMut::new()));
    }
    if let Some((true, kept)) = &mut context.local_mut::<Kept>().0 {
        let room = rule.limit.saturating_sub(kept.len());
        kept.extend_from_slice(piece.get(..room).unwrap_or(piece));
    }
}

/// The answer's body as it is logged.
pub(super) fn of_answer(context: &mut Context) -> Option<String> {
    match context.local_mut::<Kept>().0.take() {
        Some((true, kept)) => Some(String::from_utf8_lossy(&kept).into_owned()),
        _ => None,
    }
}
