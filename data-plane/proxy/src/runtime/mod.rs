//! Interim shape of what the HTTP side needs of a runtime; the router replaces this whole file.
use crate::chain::Active;
use crate::error::Reason;
use crate::tls::Certificates;
use crate::upstream::balancer::Picked;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use weir_model::field::timeout::Timeouts;
use weir_model::upstream::Upstream;
use weir_plugin_api::{Context, Host, RouteInfo};

/// interim
pub struct Runtime {
    /// x
    pub revision: u64,
    /// x
    pub certificates: Arc<Certificates>,
    /// x
    pub routes: HashMap<String, Arc<CompiledRoute>>,
}
/// interim
pub struct CompiledRoute {
    /// x
    pub upstream: Result<Arc<UpstreamRuntime>, Reason>,
    /// x
    pub timeout: Option<Timeouts>,
    /// x
    pub info: Arc<RouteInfo>,
}
/// interim
pub struct UpstreamRuntime {
    /// x
    pub config: Upstream,
    /// x
    pub next: AtomicUsize,
}
impl Runtime {
    /// x
    pub fn host(&self) -> Arc<dyn Host> {
        crate::http::nobody::host()
    }
    /// x
    pub fn enter(
        &self,
        context: &mut Context,
        _chain: &mut Active,
    ) -> Result<Arc<CompiledRoute>, Reason> {
        let route = self
            .routes
            .get(&context.request.path)
            .or_else(|| self.routes.get("/*"))
            .cloned()
            .ok_or(Reason::NoRoute)?;
        context.route = Some(Arc::clone(&route.info));
        Ok(route)
    }
}
impl UpstreamRuntime {
    /// x
    pub fn retries(&self) -> u32 {
        self.config
            .retries
            .unwrap_or(self.config.nodes.len() as u32 - 1)
    }
    /// x
    pub fn pick(&self, _context: &Context, tried: &[usize]) -> Option<Picked> {
        let n = self.config.nodes.len();
        if n == 1 {
            return self.picked(0);
        }
        for _ in 0..n {
            let i = self.next.fetch_add(1, Ordering::Relaxed) % n;
            if !tried.contains(&i) {
                return self.picked(i);
            }
        }
        None
    }
    fn picked(&self, index: usize) -> Option<Picked> {
        let node = self.config.nodes.get(index)?;
        let port = node.port.unwrap_or(80);
        Some(Picked {
            index,
            host: node.host.clone(),
            port,
            authority: format!("{}:{}", node.host, port),
        })
    }
}
