//! HTTP/1.1 on the wire, as both sides need it: lines, fields, bodies, and what waits to be written.
//! Nothing here knows clients or nodes.

pub mod body;
pub mod field;
pub mod out;
pub mod scan;
