//! Behaviour of the state machine: examples here, laws in [`laws`].

mod fixture;
mod format;
mod guards;
mod laws;
mod references;
mod tickets;
mod writes;
