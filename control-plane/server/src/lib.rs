//! Control node: Admin API, gRPC services, agent streams

pub mod sync;
