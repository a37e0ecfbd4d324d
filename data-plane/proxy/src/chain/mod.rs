//! Interim shape of what the HTTP side needs of a chain; the router replaces this whole file.
use bytes::Bytes;
use weir_plugin_api::{Context, Response};
/// x
#[derive(Default)]
pub struct Active;
impl Active {
    /// x
    pub async fn early(&mut self, _c: &mut Context) -> Option<Box<Response>> {
        None
    }
    /// x
    pub async fn before_proxy(&mut self, _c: &mut Context) -> Option<Box<Response>> {
        None
    }
    /// x
    pub fn header_filter(&self, _c: &mut Context) {}
    /// x
    pub fn filters_body(&self) -> bool {
        false
    }
    /// x
    pub fn body_filter(&self, _c: &mut Context, _p: &mut Bytes, _e: bool) {}
    /// x
    pub fn log(&self, _c: &mut Context) {}
}
