//! Behaviour of the state machine: examples here, laws in [`laws`].

mod laws;
