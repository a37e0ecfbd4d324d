//! One Lua per worker: what functions may use is made once in it, and configurations are loaded as they
//! are first run.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use mlua::{Function, Lua, LuaOptions, StdLib, Table, Value};
use weir_plugin_api::Context;

use super::call::Tables;
use super::functions::Source;
use super::{answer, budget, codes, json, regexes, request, strings};

/// Memory that one run may take on top of what is there.
const RUN: usize = 32 << 20;

/// Memory that a state may keep between runs.
const KEPT: usize = 64 << 20;

/// Number of the request-wide tables among the state of plugins.
const SHARED: u32 = u32::MAX;

/// What functions see, in the order in which it is made.
const PRELUDE: [(&str, &str); 3] = [
    ("=sandbox", include_str!("prelude/sandbox.lua")),
    ("=ngx", include_str!("prelude/ngx.lua")),
    ("=core", include_str!("prelude/core.lua")),
];

thread_local! {
    static STATE: RefCell<Option<State>> = const { RefCell::new(None) };
}

/// A Lua of one thread.
pub(super) struct State {
    pub(super) lua: Lua,
    generation: u64,
    new_env: Function,
    new_context: Function,
    loaded: HashMap<u64, Loaded>,
}

/// The functions of one configuration in a state.
#[derive(Clone)]
pub(super) struct Loaded {
    of: Weak<Source>,
    pub(super) functions: Vec<Function>,
    /// What they get as `conf`.
    pub(super) conf: Value,
}

/// Does something with the state of this thread.
///
/// # Errors
/// Those of `work`; or there is no memory for a state.
pub(super) fn on<T>(work: impl FnOnce(&mut State) -> mlua::Result<T>) -> mlua::Result<T> {
    STATE.with(|place| {
        let mut place = place
            .try_borrow_mut()
            .map_err(|_| mlua::Error::runtime("functions cannot be run inside functions"))?;
        let state = match &mut *place {
            Some(state) => state,
            empty => empty.insert(State::new()?),
        };
        let outcome = state.run(work);
        if state.is_too_large() {
            tracing::warn!(
                limit = KEPT,
                "functions keep more memory than they may: all that they kept on this worker is gone"
            );
            *place = None;
        }
        outcome
    })
}

impl State {
    fn new() -> mlua::Result<Self> {
        static GENERATION: AtomicU64 = AtomicU64::new(0);
        let libraries = StdLib::MATH | StdLib::STRING | StdLib::TABLE | StdLib::OS;
        let lua = Lua::new_with(libraries, LuaOptions::default())?;
        let native = lua.create_table()?;
        strings::add(&lua, &native)?;
        regexes::add(&lua, &native)?;
        json::add(&lua, &native)?;
        codes::add(&lua, &native)?;
        request::add(&lua, &native)?;
        answer::add(&lua, &native)?;
        let shared = lua.create_table()?;
        for (name, text) in PRELUDE {
            let chunk = lua.load(text).set_name(name);
            chunk.call::<()>((&native, &shared))?;
        }
        budget::watch(&lua)?;
        Ok(Self {
            new_env: shared.get("new_env")?,
            new_context: shared.get("new_context")?,
            generation: GENERATION.fetch_add(1, Ordering::Relaxed),
            loaded: HashMap::new(),
            lua,
        })
    }

    fn run<T>(&mut self, work: impl FnOnce(&mut Self) -> mlua::Result<T>) -> mlua::Result<T> {
        let limit = self.lua.used_memory().saturating_add(RUN);
        self.lua.set_memory_limit(limit)?;
        budget::of(&self.lua, |budget| {
            budget.begin();
            Ok(())
        })?;
        work(self)
    }

    fn is_too_large(&self) -> bool {
        self.lua.used_memory() > KEPT
            && (self.lua.gc_collect().is_err() || self.lua.used_memory() > KEPT)
    }

    /// A function of a text, with globals of its own.
    ///
    /// # Errors
    /// The text is none of Lua.
    pub(super) fn load(&self, text: &str, name: &str, env: &Table) -> mlua::Result<Function> {
        let chunk = self.lua.load(text).set_name(format!("={name}"));
        let chunk = chunk.set_mode(mlua::chunk::ChunkMode::Text);
        chunk.set_environment(env.clone()).into_function()
    }

    /// Globals of one configuration.
    ///
    /// # Errors
    /// There is no memory.
    pub(super) fn env(&self) -> mlua::Result<Table> {
        self.new_env.call(())
    }

    /// The functions of a configuration, loaded when they are first run here.
    ///
    /// # Errors
    /// They cannot be loaded.
    pub(super) fn loaded(&mut self, source: &Arc<Source>) -> mlua::Result<Loaded> {
        if let Some(loaded) = self.loaded.get(&source.id) {
            return Ok(loaded.clone());
        }
        self.loaded.retain(|_, loaded| loaded.of.strong_count() > 0);
        let loaded = Loaded {
            of: Arc::downgrade(source),
            functions: source.load(self)?,
            conf: json::write(&self.lua, &source.conf)?,
        };
        self.loaded.insert(source.id, loaded.clone());
        Ok(loaded)
    }

    /// The tables that all functions of a request share.
    ///
    /// # Errors
    /// There is no memory.
    pub(super) fn tables(&self, context: &mut Context) -> mlua::Result<Tables> {
        let instance = std::mem::replace(&mut context.instance, SHARED);
        let known = context.local_mut::<Option<Tables>>();
        let tables = match known {
            Some(tables) if tables.generation == self.generation => Ok(tables.clone()),
            _ => self
                .new_tables()
                .inspect(|tables| *known = Some(tables.clone())),
        };
        context.instance = instance;
        tables
    }

    fn new_tables(&self) -> mlua::Result<Tables> {
        Ok(Tables {
            generation: self.generation,
            ngx: self.lua.create_table()?,
            api: self.new_context.call(())?,
        })
    }

    /// Keeps `ngx.ctx` of a request, which may be another table now.
    pub(super) fn keep(&self, context: &mut Context, ngx: Table) {
        let instance = std::mem::replace(&mut context.instance, SHARED);
        if let Some(tables) = context.local_mut::<Option<Tables>>() {
            tables.ngx = ngx;
        }
        context.instance = instance;
    }
}
