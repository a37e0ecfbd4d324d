//! Clients over HTTP/2: the h2 crate reads and writes the frames, [`guard`] decides which clients
//! cost more than they use, and each request is a task of its own on the worker's thread.

pub mod body;
pub mod connection;
pub mod frames;
pub mod guard;
pub mod preface;
pub mod request;
pub mod stream;
mod tunnel;
mod uploads;
pub mod wire;
