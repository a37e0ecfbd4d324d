//! Stream routes of a snapshot.

use std::sync::Arc;

use weir_model::stream_route::StreamRoute;
use weir_model::{Problem, Resource};
use weir_plugin_api::RouteInfo;

use super::parts::Parts;
use super::routes::{Leads, OfService};
use super::target::Site;
use crate::stream::chain::Chain;
use crate::stream::matcher::Matcher;
use crate::stream::route::CompiledStreamRoute;

/// Compiles one stream route. Its own plugins and upstream win; the rest is its service's.
pub(super) fn compile(
    resource: &Resource,
    site: Site<'_>,
    parts: &Parts,
) -> Result<CompiledStreamRoute, Problem> {
    let key = &resource.key;
    let route = StreamRoute::parse(&resource.spec)?;
    if route.protocol.is_some() {
        let message = "expected none: protocols inside of streams (xRPC) are not supported";
        return Err(Problem::new("protocol", message));
    }
    let service = route
        .service_id
        .as_ref()
        .map(|id| OfService::find(id, parts));
    let form = service.as_ref().and_then(|service| service.form.ok());
    let leads = Leads {
        upstream_id: route.upstream_id.as_ref(),
        upstream: route.upstream.as_ref(),
        service,
    };
    let place = format!("stream-totals\u{0}{}", key.id);
    Ok(CompiledStreamRoute {
        info: Arc::new(RouteInfo {
            id: Arc::clone(&key.id),
            name: route.name.as_deref().map(Arc::from).unwrap_or_default(),
            service_id: route.service_id.clone().unwrap_or_default(),
            service_name: form.map(|form| Arc::clone(&form.name)).unwrap_or_default(),
        }),
        matcher: Matcher::of(&route),
        created: resource.created,
        chain: Chain::compile(
            key,
            &route.plugins,
            form.map(|form| &form.spec.plugins),
            site,
        )?,
        target: leads.target(key, site)?,
        totals: site.env.living.get_or_init(&place, Default::default),
    })
}
