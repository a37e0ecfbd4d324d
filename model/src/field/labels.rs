//! Labels: short texts without white space, by name.

use std::collections::BTreeMap;

/// Labels of a resource, ordered by name.
pub type Labels = BTreeMap<String, String>;
