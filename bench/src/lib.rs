//! Load profiles and micro benches
