//! What keeps a route from being taken, in words.

use std::sync::Arc;

use serde_json::Value;
use weir_model::field::expr::Failure;
use weir_model::field::variable::Variables;
use weir_model::route::HeaderValue;
use weir_model::{Key, Kind};
use weir_plugin_api::RequestHead;
use weir_plugin_api::vars::HeadVariables;

use super::Runtime;
use crate::router::{NearMiss, RouteMatch, Unmet, Why};
use crate::runtime::CompiledRoute;

/// A route that is not taken, and the first condition that the request does not meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Miss {
    /// The route.
    pub key: Key,
    /// The path pattern that was looked at.
    pub uri: String,
    /// Which condition: `method`, `remote_addr`, `host`, `headers.NAME`, `vars[0]`, `uri`, `status`,
    /// or `priority` for a route that another one hides.
    pub condition: String,
    /// What it asks for.
    pub expected: String,
    /// What the request has.
    pub actual: String,
}

impl Runtime {
    pub(super) fn misses(&self, head: &RequestHead, found: Option<&RouteMatch<'_>>) -> Vec<Miss> {
        let routes = self.routes().map(|(_, route)| route);
        let misses = self.router.near_misses(head, &*self.host, found, routes);
        misses
            .iter()
            .map(|miss| self.miss(miss, head, found))
            .collect()
    }

    fn miss(&self, miss: &NearMiss, head: &RequestHead, found: Option<&RouteMatch<'_>>) -> Miss {
        let route = &miss.route;
        let pattern = route.patterns.get(usize::from(miss.pattern));
        let uri = pattern.map_or("", |pattern| &pattern.text).to_owned();
        let (condition, expected, actual) = match miss.why {
            Why::Unmet(unmet) => self.unmet(unmet, miss, head),
            Why::Shadowed => ("priority".to_owned(), order(found, miss), String::new()),
            Why::Disabled => ("status".to_owned(), "1".to_owned(), "0".to_owned()),
            Why::Host => (
                "host".to_owned(),
                list(&route.hosts),
                head.authority.clone(),
            ),
            Why::Path => ("uri".to_owned(), uri.clone(), head.path.clone()),
        };
        Miss {
            key: Key::new(Kind::Route, Arc::clone(&route.info.id)),
            uri,
            condition,
            expected,
            actual,
        }
    }

    fn unmet(&self, unmet: Unmet, miss: &NearMiss, head: &RequestHead) -> (String, String, String) {
        let route = &miss.route;
        let filters = route.filters.as_deref();
        match unmet {
            Unmet::Method => (
                "method".to_owned(),
                route.methods.names().collect::<Vec<_>>().join(", "),
                head.method.to_string(),
            ),
            Unmet::RemoteAddr => {
                let nets = filters.map(|filters| &filters.remote_addrs[..]);
                (
                    "remote_addr".to_owned(),
                    list(nets.unwrap_or_default()),
                    head.client_ip.to_string(),
                )
            }
            Unmet::Host => (
                "host".to_owned(),
                list(&route.hosts),
                head.authority.clone(),
            ),
            Unmet::Path => {
                let pattern = route.patterns.get(usize::from(miss.pattern));
                let text = pattern.map_or("", |pattern| &pattern.text);
                ("uri".to_owned(), text.to_owned(), head.path.clone())
            }
            Unmet::Header(at) => match filters.and_then(|filters| filters.headers.get(at)) {
                Some(header) => {
                    let expected = match &header.value {
                        HeaderValue::Exact(text) => text.clone(),
                        HeaderValue::Regex(pattern) => format!("~{}", pattern.source()),
                    };
                    let values = head.headers.get_all(header.name.as_str()).iter();
                    let values = values.map(|value| String::from_utf8_lossy(value.as_bytes()));
                    let values: Vec<_> = values.collect();
                    (
                        format!("headers.{}", header.name),
                        expected,
                        values.join(", "),
                    )
                }
                None => ("headers".to_owned(), String::new(), String::new()),
            },
            Unmet::Vars => self.condition(route, miss.pattern, head),
        }
    }

    /// The condition of `vars` that does not hold, as it is written, and the value of its variable.
    fn condition(
        &self,
        route: &CompiledRoute,
        pattern: u16,
        head: &RequestHead,
    ) -> (String, String, String) {
        let pattern = route.patterns.get(usize::from(pattern));
        let path = self.router.path(head);
        let params = pattern.and_then(|pattern| pattern.capture(path, true));
        let params = params.unwrap_or_default();
        let variables = HeadVariables {
            head,
            params: &params,
            host: &*self.host,
        };
        let filters = route.filters.as_deref();
        let Some(Failure { path, variable }) =
            filters.and_then(|filters| filters.vars.failure(&variables))
        else {
            return ("vars".to_owned(), String::new(), String::new());
        };
        let key = Key::new(Kind::Route, Arc::clone(&route.info.id));
        let document = self.parts.set.get(&key);
        let mut part = document.and_then(|resource| resource.spec.get("vars"));
        let mut place = "vars".to_owned();
        for step in path {
            part = part.and_then(|part| part.get(step));
            place.push_str(&format!("[{step}]"));
        }
        let expected = part.map(Value::to_string).unwrap_or_default();
        let value = variable.map(|variable| match variables.get(variable) {
            Some(value) => format!("{} is {:?}", variable.name(), value.into_text()),
            None => format!("{} has no value", variable.name()),
        });
        (place, expected, value.unwrap_or_default())
    }
}

/// Why a route that fits comes after the one that is taken.
fn order(found: Option<&RouteMatch<'_>>, miss: &NearMiss) -> String {
    let Some(found) = found else {
        return String::new();
    };
    let winner = &found.route;
    let id = &winner.info.id;
    let pattern = miss.route.patterns.get(usize::from(miss.pattern));
    let own = pattern.map_or("", |pattern| &pattern.text);
    let taken = found.matched_uri();
    let same_place = pattern.is_some_and(|pattern| {
        winner.patterns.iter().any(|other| {
            *other.text == *taken
                && other.literal() == pattern.literal()
                && other.is_exact() == pattern.is_exact()
        })
    });
    let host = found.matched_host();
    if winner.hosts.is_empty() != miss.route.hosts.is_empty() && !host.is_empty() {
        format!("shadowed by routes/{id}: its host {host} fits, and hosts come before paths")
    } else if same_place && winner.priority != miss.route.priority {
        format!(
            "shadowed by routes/{id}: priority {} against {}",
            winner.priority, miss.route.priority
        )
    } else if same_place {
        format!("shadowed by routes/{id}: same path and priority, but longer or older")
    } else {
        format!("shadowed by routes/{id}: {taken} comes before {own}")
    }
}

fn list<T: ToString>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    items.join(", ")
}
