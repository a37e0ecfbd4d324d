//! The functions of one configuration, checked when they are configured and run by phase.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::StatusCode;
use mlua::{Error, Function, MultiValue, Value};
use weir_plugin_api::{Context, Phase, Response, WholeBody};

use super::answer::say_part;
use super::call::{self, Finished, Lent, MAX_BODY, Pending};
use super::state::{self, State};

/// Words of a function that looks at the body of the request, which must be read before it runs.
const BODY_READERS: [&str; 6] = [
    "get_body",
    "read_body",
    "get_post_args",
    "get_json_request_body",
    "request_body",
    "post_arg",
];

/// Functions as they are configured.
pub(super) struct Source {
    /// Distinguishes it from others.
    pub(super) id: u64,
    texts: Vec<String>,
    /// What functions get as `conf`.
    pub(super) conf: serde_json::Value,
    /// Whether each text is one that returns the function.
    returned: bool,
}

impl Source {
    /// The functions in a state.
    pub(super) fn load(&self, state: &State) -> mlua::Result<Vec<Function>> {
        let mut functions = Vec::with_capacity(self.texts.len());
        for (at, text) in self.texts.iter().enumerate() {
            let chunk = state.load(text, &format!("functions[{at}]"), &state.env()?)?;
            functions.push(if self.returned {
                chunk.call(())?
            } else {
                chunk
            });
        }
        Ok(functions)
    }

    /// Loads each text once, to see that it can be.
    fn check(&self) -> Result<(), String> {
        for (at, text) in self.texts.iter().enumerate() {
            let name = format!("functions[{at}]");
            state::on(|state| {
                let chunk = match state.load(text, &name, &state.env()?) {
                    Ok(chunk) => chunk,
                    Err(error) => {
                        return Ok(Err(format!("failed to loadstring: {}", told(&error))));
                    }
                };
                if !self.returned {
                    return Ok(Ok(()));
                }
                Ok(match chunk.call::<Value>(()) {
                    Ok(Value::Function(_)) => Ok(()),
                    Ok(other) => {
                        // Lua 5.1 has no integers apart from numbers.
                        let kind = match &other {
                            Value::Integer(_) => "number",
                            other => other.type_name(),
                        };
                        Err(format!(
                            "only accept Lua function, the input code type is {kind} ({name})"
                        ))
                    }
                    Err(error) => Err(format!("pcall error: {}", told(&error))),
                })
            })
            .map_err(|error| told(&error))
            .and_then(|checked| checked)?;
        }
        Ok(())
    }
}

/// The functions of one configuration.
#[derive(Clone)]
pub(crate) struct Functions {
    plugin: &'static str,
    source: Arc<Source>,
    reads_body: bool,
}

/// What functions make of a request.
pub(crate) enum Verdict {
    /// It goes on.
    Continue,
    /// This is the answer.
    Answer(Response),
    /// They failed, which was logged.
    Failed,
}

impl Functions {
    /// Checks functions; with `returned`, each text returns one, else it is one.
    ///
    /// # Errors
    /// What is wrong with one, and in which line.
    pub(crate) fn new(
        plugin: &'static str,
        texts: Vec<String>,
        conf: serde_json::Value,
        returned: bool,
    ) -> Result<Self, String> {
        static ID: AtomicU64 = AtomicU64::new(0);
        let reads = |text: &String| BODY_READERS.iter().any(|word| text.contains(word));
        let reads_body = texts.iter().any(reads);
        let source = Source {
            id: ID.fetch_add(1, Ordering::Relaxed),
            texts,
            conf,
            returned,
        };
        source.check()?;
        Ok(Self {
            plugin,
            source: Arc::new(source),
            reads_body,
        })
    }

    /// Whether the body of the request must be read before they run.
    pub(crate) fn wants_body(&self, context: &Context) -> bool {
        self.reads_body && context.request.body.whole(MAX_BODY) == WholeBody::Unread
    }

    /// Runs them in a phase, with a piece of the answer's body if it is that which is filtered.
    pub(crate) fn run(
        &self,
        phase: Phase,
        context: &mut Context,
        piece: Option<(&mut Bytes, bool)>,
    ) -> Verdict {
        let (piece, end) = match piece {
            Some((piece, end)) => (Some(piece), end),
            None => (None, false),
        };
        let chunk = piece.as_ref().map(|piece| Bytes::clone(piece));
        let outcome = state::on(|state| {
            let loaded = state.loaded(&self.source)?;
            let tables = state.tables(context)?;
            let lent = Lent::new(&state.lua, context, phase, tables.clone(), (chunk, end));
            let mut outcome = Ok(());
            for function in &loaded.functions {
                let arguments = (loaded.conf.clone(), tables.api.clone());
                let returned = function.call::<MultiValue>(arguments);
                outcome = returned.and_then(|values| returns(&state.lua, &values));
                let done = call::with(&state.lua, |call| {
                    Ok(call.exit.is_some() || (call.said.is_some() && phase_answers(phase)))
                });
                if outcome.is_err() || done.unwrap_or(true) {
                    break;
                }
            }
            let finished = lent.finish();
            let finished = finished.ok_or_else(|| Error::runtime("the request is gone"))?;
            state.keep(context, finished.ngx.clone());
            // Leaving is no failure.
            if finished.exit.is_none() {
                outcome?;
            }
            Ok(finished)
        });
        match outcome {
            Ok(finished) => {
                if let Some(piece) = piece {
                    *piece = finished.chunk.clone().unwrap_or_default();
                }
                verdict(finished)
            }
            Err(error) => {
                let route = context.route.as_deref().map_or("", |route| &*route.id);
                tracing::error!(
                    plugin = self.plugin,
                    route,
                    phase = call::name(phase),
                    "a function failed: {}",
                    told(&error)
                );
                Verdict::Failed
            }
        }
    }

    /// Lets an answer be changed: each function gets status, body and headers, and returns them. One
    /// that fails leaves them as they are.
    pub(crate) fn transform(&self, context: &mut Context, mut response: Response) -> Response {
        for at in 0..self.source.texts.len() {
            let outcome = state::on(|state| {
                let loaded = state.loaded(&self.source)?;
                let function = loaded.functions.get(at).cloned();
                let function = function.ok_or_else(|| Error::runtime("no function"))?;
                let arguments = super::transform::arguments(&state.lua, &response)?;
                let tables = state.tables(context)?;
                let lent = Lent::new(&state.lua, context, Phase::Rewrite, tables, (None, false));
                let returned = function.call::<MultiValue>(arguments);
                drop(lent);
                super::transform::response(&state.lua, returned?, &response)
            });
            match outcome {
                Ok(changed) => response = changed,
                Err(error) => {
                    let text = told(&error);
                    tracing::error!(plugin = self.plugin, at, "a function failed: {text}");
                }
            }
        }
        response
    }

    /// Makes the changes of an answer that were asked for before there was one.
    pub(crate) fn apply_pending(context: &mut Context) {
        let pending = std::mem::take(context.local_mut::<Pending>());
        if let Some(head) = &mut context.response {
            pending.apply(&mut head.headers);
        }
    }
}

/// Takes what a function returned: a status, and the parts of a body.
fn returns(lua: &mlua::Lua, values: &MultiValue) -> mlua::Result<()> {
    if values.iter().all(Value::is_nil) {
        return Ok(());
    }
    call::with(lua, |call| {
        if !phase_answers(call.phase) {
            return Ok(());
        }
        let mut values = values.iter();
        let first = values.next().unwrap_or(&Value::NULL);
        let code = match first {
            Value::Integer(code) => Some(*code),
            Value::Nil => None,
            other => {
                let kind = other.type_name();
                return Err(Error::runtime(format!(
                    "a function returns a status first, not a {kind}"
                )));
            }
        };
        call.status = code
            .and_then(|code| u16::try_from(code).ok())
            .or(call.status);
        for part in values {
            say_part(lua, call, part)?;
        }
        call.exit = Some(code.unwrap_or(200));
        Ok(())
    })
}

fn phase_answers(phase: Phase) -> bool {
    matches!(phase, Phase::Rewrite | Phase::Access | Phase::BeforeProxy)
}

fn verdict(finished: Finished) -> Verdict {
    let status =
        |code: u16| StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Some(said) = finished.said {
        return Verdict::Answer(Response::text(status(said), finished.output));
    }
    match finished.exit {
        None | Some(0) => Verdict::Continue,
        Some(code) => {
            let code = u16::try_from(code).unwrap_or(500);
            let status = status(code);
            Verdict::Answer(if status.is_success() || status.is_informational() {
                Response::text(status, "")
            } else {
                Response::page(status)
            })
        }
    }
}

/// An error without the trace of calls behind it, but with its place.
pub(super) fn told(error: &Error) -> String {
    if let Error::CallbackError { traceback, cause } = error {
        let text = told(cause);
        return match place(traceback) {
            Some(place) if !text.contains("functions[") => format!("{place}: {text}"),
            _ => text,
        };
    }
    let text = match error {
        Error::SyntaxError { message, .. } => message.clone(),
        other => other.to_string(),
    };
    let text = text.split("\nstack traceback:").next().unwrap_or_default();
    let text = text.trim_start_matches("runtime error: ").trim();
    text.chars().take(500).collect()
}

/// The innermost line of a function in a trace of calls: `functions[0]:3`.
fn place(traceback: &str) -> Option<&str> {
    let at = traceback.find("functions[")?;
    let rest = traceback.get(at..)?;
    let line = rest.find("]:")? + 2;
    let digits = rest.get(line..)?.bytes().take_while(u8::is_ascii_digit);
    rest.get(..line + digits.count())
}
