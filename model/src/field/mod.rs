//! Values that appear inside resources: each with its parser and its meaning.

pub mod address;
pub mod body_path;
pub mod expr;
pub mod host;
pub mod id;
pub mod labels;
pub mod number;
pub mod pattern;
pub mod resolver;
pub mod template;
pub mod timeout;
pub mod uri;
pub mod variable;
