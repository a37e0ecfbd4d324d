//! Lua functions in configurations.
//!
//! The language is Lua 5.1, which is that of LuaJIT and so of APISIX; its library `bit` is there too.
//! LuaJIT itself is not used: it looks at no count of instructions in compiled code and has no bound for
//! its memory, so a function could hold up a worker for ever. Each worker has one state ([`state`]). What
//! functions see is made of `prelude/*.lua` on top of what the files here offer as `native`. A request is
//! lent to the state while its functions run ([`call`]), which is never across a wait: functions cannot
//! wait. A run is bounded in instructions, processor time ([`budget`]) and memory.

mod answer;
mod budget;
mod call;
mod codes;
mod functions;
mod json;
mod pattern;
mod regexes;
mod request;
mod state;
mod strings;
#[cfg(test)]
mod tests;
mod transform;

pub(crate) use functions::{Functions, Verdict};
