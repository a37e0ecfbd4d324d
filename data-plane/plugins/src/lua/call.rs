//! One run of functions for a request: what they may touch, and what they want.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use mlua::{Error, Lua, Table};
use weir_plugin_api::{Context, Phase, RequestBody, RequestHead, Scheme};

/// Largest body of a request that functions look at.
pub(super) const MAX_BODY: usize = 8 << 20;

/// Longest text that is logged in one go.
pub(super) const MAX_LOGGED: usize = 4096;

/// A request lent to Lua.
pub(super) struct Call {
    /// The request itself; it goes back when the run is over.
    pub(super) context: Context,
    /// The phase that runs.
    pub(super) phase: Phase,
    /// Number of the configuration, for what it changes in the answer to come.
    pub(super) instance: u32,
    /// Tables that live as long as the request.
    pub(super) tables: Tables,
    /// What was said so far.
    pub(super) output: Vec<u8>,
    /// Status of what was said, once something was.
    pub(super) said: Option<u16>,
    /// `ngx.status` as it was set.
    pub(super) status: Option<u16>,
    /// `ngx.exit` was called with this.
    pub(super) exit: Option<i64>,
    /// The piece of body that is filtered; `None` when a function dropped it.
    pub(super) chunk: Option<Bytes>,
    /// Whether it is the last one.
    pub(super) end: bool,
}

/// `ngx.ctx`, and what functions get as `ctx`, in the state that made them.
#[derive(Clone)]
pub(super) struct Tables {
    /// The state.
    pub(super) generation: u64,
    /// `ngx.ctx`.
    pub(super) ngx: Table,
    /// `ctx`.
    pub(super) api: Table,
}

/// Changes of the answer that were asked for before there was one.
#[derive(Default)]
pub(super) struct Pending(pub(super) Vec<(HeaderName, Change)>);

/// What becomes of a header.
pub(super) enum Change {
    Set(Vec<HeaderValue>),
    Add(Vec<HeaderValue>),
}

impl Pending {
    /// Makes the changes.
    pub(super) fn apply(self, headers: &mut HeaderMap) {
        for (name, change) in self.0 {
            let values = match change {
                Change::Set(values) => {
                    headers.remove(&name);
                    values
                }
                Change::Add(values) => values,
            };
            for value in values {
                headers.append(name.clone(), value);
            }
        }
    }
}

impl Call {
    /// Whether an answer can still be made.
    pub(super) fn is_early(&self) -> bool {
        matches!(
            self.phase,
            Phase::Rewrite | Phase::Access | Phase::BeforeProxy
        )
    }

    /// Says something to the client.
    ///
    /// # Errors
    /// It is too late, or more than an answer may be.
    pub(super) fn say(&mut self, text: &[u8]) -> mlua::Result<()> {
        if !self.is_early() {
            return Err(disabled(self.phase));
        }
        if self.output.len() + text.len() > MAX_BODY {
            return Err(Error::runtime("the answer is too large"));
        }
        if self.said.is_none() {
            self.said = Some(self.status.unwrap_or(200));
        }
        self.output.extend_from_slice(text);
        Ok(())
    }

    /// Path and query that the node is asked for.
    pub(super) fn target(&self) -> String {
        let request = &self.context.request;
        match (&self.context.target.uri, &request.query) {
            (Some(uri), _) => uri.clone(),
            (None, Some(query)) => {
                format!(
                    "{}?{query}",
                    weir_plugin_api::request::encode_path(&request.path)
                )
            }
            (None, None) => weir_plugin_api::request::encode_path(&request.path),
        }
    }
}

/// The words of OpenResty.
pub(super) fn disabled(phase: Phase) -> Error {
    Error::runtime(format!("API disabled in the context of {}", name(phase)))
}

/// A phase as functions name it.
pub(super) fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Rewrite => "rewrite",
        Phase::Access => "access",
        Phase::BeforeProxy => "balancer",
        Phase::HeaderFilter => "header_filter",
        Phase::BodyFilter => "body_filter",
        Phase::Log => "log",
    }
}

/// Does something with the request.
///
/// # Errors
/// Those of `work`; and there is no request, since a configuration is only read.
pub(super) fn with<T>(
    lua: &Lua,
    work: impl FnOnce(&mut Call) -> mlua::Result<T>,
) -> mlua::Result<T> {
    let call = lua.app_data_mut::<Call>();
    let mut call = call.ok_or_else(|| Error::runtime("there is no request yet"))?;
    work(&mut call)
}

/// Lends a request to a state as long as this lives, panics included.
pub(super) struct Lent<'a> {
    lua: &'a Lua,
    context: &'a mut Context,
    call: Option<Call>,
}

impl<'a> Lent<'a> {
    pub(super) fn new(
        lua: &'a Lua,
        context: &'a mut Context,
        phase: Phase,
        tables: Tables,
        (chunk, end): (Option<Bytes>, bool),
    ) -> Self {
        let nobody = Context::new(nothing(), std::sync::Arc::clone(&context.host));
        let instance = context.instance;
        lua.set_app_data(Call {
            context: std::mem::replace(context, nobody),
            phase,
            instance,
            tables,
            output: Vec::new(),
            said: None,
            status: None,
            exit: None,
            chunk,
            end,
        });
        Self {
            lua,
            context,
            call: None,
        }
    }

    /// What the functions want, when they are done.
    pub(super) fn finish(mut self) -> Option<Finished> {
        self.give_back();
        let call = self.call.take()?;
        Some(Finished {
            output: call.output,
            said: call.said,
            exit: call.exit,
            chunk: call.chunk,
            ngx: call.tables.ngx,
        })
    }

    fn give_back(&mut self) {
        let Some(mut call) = self.lua.remove_app_data::<Call>() else {
            return;
        };
        call.context.instance = call.instance;
        std::mem::swap(&mut call.context, self.context);
        self.call = Some(call);
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// What functions want, when they are done.
pub(super) struct Finished {
    /// What was said.
    pub(super) output: Vec<u8>,
    /// Status of what was said, if anything was.
    pub(super) said: Option<u16>,
    /// `ngx.exit` was called with this.
    pub(super) exit: Option<i64>,
    /// The piece of body.
    pub(super) chunk: Option<Bytes>,
    /// `ngx.ctx`.
    pub(super) ngx: Table,
}

/// Stands in for a request that is lent.
fn nothing() -> RequestHead {
    let nowhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
    RequestHead {
        method: Method::GET,
        version: Version::HTTP_11,
        scheme: Scheme::Http,
        raw_target: String::new(),
        path: String::new(),
        routed_path: None,
        query: None,
        host: String::new(),
        authority: String::new(),
        headers: HeaderMap::new(),
        peer: nowhere,
        relay: None,
        local: nowhere,
        client_ip: nowhere.ip(),
        client_port: nowhere.port(),
        body: RequestBody::default(),
    }
}
