//! Harness, end-to-end tests and simulation
