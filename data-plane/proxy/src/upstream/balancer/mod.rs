//! Interim shape of a picked node; the router replaces this whole file.
/// x
pub struct Picked {
    /// x
    pub index: usize,
    /// x
    pub host: String,
    /// x
    pub port: u16,
    /// x
    pub authority: String,
}
