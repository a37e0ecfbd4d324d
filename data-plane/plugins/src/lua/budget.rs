//! What one run may use: instructions and processor time. Memory is bounded by Lua's allocator.

use std::cell::Cell;
use std::time::Duration;

use mlua::{Error, HookTriggers, Lua, VmState};
use rustix::time::{ClockId, clock_gettime};

/// Instructions of Lua in one run; a simple loop makes a million rounds of three in some 20 ms.
const INSTRUCTIONS: u64 = 10_000_000;

/// Processor time of one run: single instructions may call for much, such as sorting a list.
const TIME: Duration = Duration::from_millis(500);

/// Instructions between two looks.
const STEP: u32 = 250;

/// What is left of a run.
#[derive(Default)]
pub(super) struct Budget {
    instructions: Cell<u64>,
    until: Cell<Duration>,
    over: Cell<Option<&'static str>>,
}

impl Budget {
    /// Begins a run.
    pub(super) fn begin(&self) {
        self.instructions.set(INSTRUCTIONS);
        self.until.set(now() + TIME);
        self.over.set(None);
    }

    /// Why the run was ended, if it was.
    pub(super) fn over(&self) -> Option<&'static str> {
        self.over.get()
    }

    /// How many instructions are left.
    pub(super) fn left(&self) -> u64 {
        self.instructions.get()
    }

    /// Takes as much as so many instructions.
    ///
    /// # Errors
    /// There is nothing left: the run ends.
    pub(super) fn spend(&self, instructions: u64) -> mlua::Result<()> {
        let left = self.instructions.get().checked_sub(instructions);
        self.instructions.set(left.unwrap_or(0));
        if left.is_none() {
            return self.end("it ran too many instructions");
        }
        Ok(())
    }

    fn look(&self) -> mlua::Result<()> {
        if self.over.get().is_some() || now() > self.until.get() {
            return self.end("it took too much processor time");
        }
        self.spend(STEP.into())
    }

    fn end(&self, why: &'static str) -> mlua::Result<()> {
        let why = self.over.get().unwrap_or(why);
        self.over.set(Some(why));
        Err(Error::runtime(why))
    }
}

/// Lets the budget of a state be looked at as it runs.
///
/// # Errors
/// There is no memory.
pub(super) fn watch(lua: &Lua) -> mlua::Result<()> {
    lua.set_app_data(Budget::default());
    let triggers = HookTriggers::new().every_nth_instruction(STEP);
    lua.set_hook(triggers, |lua, _| {
        of(lua, Budget::look)?;
        Ok(VmState::Continue)
    })
}

/// Does something with the budget of a state.
///
/// # Errors
/// Those of `work`; and there is no budget, which [`watch`] gives to each state.
pub(super) fn of<T>(lua: &Lua, work: impl FnOnce(&Budget) -> mlua::Result<T>) -> mlua::Result<T> {
    let budget = lua.app_data_ref::<Budget>();
    work(&*budget.ok_or_else(|| Error::runtime("a state without a budget"))?)
}

/// Processor time of this thread: one that has to wait for a processor does not use up its budget.
fn now() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or(0))
}
