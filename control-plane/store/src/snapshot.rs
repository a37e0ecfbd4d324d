//! Placeholder module, replaced by the store work.
