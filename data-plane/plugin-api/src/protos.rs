//! Proto objects, for plugins that speak gRPC.

/// Finds proto objects while a configuration is compiled. What a plugin makes of one stays right: it is
/// compiled anew when the object changes.
pub trait Protos {
    /// `content` of the object of this id: text of a `.proto`, or a base64 descriptor set.
    fn content(&self, id: &str) -> Option<String>;
}
