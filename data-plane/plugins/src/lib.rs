//! The built-in plugins
