//! What a policy is told of a request.

use serde_json::{Value, json};
use weir_model::{Id, Key, Kind};
use weir_plugin_api::{Context, Host};

use super::Compiled;
use crate::request_json::{arguments, headers};

/// The document that the server is asked with.
pub(super) fn of(plugin: &Compiled, context: &Context) -> Value {
    let request = &context.request;
    let mut input = json!({
        "type": "http",
        "request": {
            "scheme": request.scheme.as_str(),
            "method": request.method.as_str(),
            "host": request.host,
            "port": request.local.port(),
            "path": request.path,
            "headers": headers(&request.headers),
            "query": arguments(request.query.as_deref().unwrap_or_default()),
        },
        "var": {
            "server_addr": request.local.ip().to_string(),
            "server_port": request.local.port().to_string(),
            "remote_addr": request.client_ip.to_string(),
            "remote_port": request.client_port.to_string(),
            "timestamp": context.host.unix_ms() / 1000,
        },
    });
    let Some(fields) = input.as_object_mut() else {
        return input;
    };
    let host = &*context.host;
    let route = context.route.as_deref();
    if plugin.with_route {
        let route = route.and_then(|route| document(host, Kind::Route, &route.id));
        fields.extend(route.map(|route| ("route".to_owned(), route)));
    }
    if plugin.with_service {
        let id = route.map(|route| &route.service_id);
        let service = id.and_then(|id| document(host, Kind::Service, id));
        fields.extend(service.map(|service| ("service".to_owned(), service)));
    }
    if plugin.with_consumer {
        let consumer = consumer(context);
        fields.extend(consumer.map(|consumer| ("consumer".to_owned(), consumer)));
    }
    json!({ "input": input })
}

/// A stored document without its upstream, which decides nothing, and its plugins, which have
/// secrets.
fn document(host: &dyn Host, kind: Kind, id: &Id) -> Option<Value> {
    let mut document = (*host.document(&Key::new(kind, id.clone()))?).clone();
    let fields = document.as_object_mut()?;
    fields.shift_remove("upstream");
    fields.shift_remove("plugins");
    Some(document)
}

/// The consumer without its credentials.
fn consumer(context: &Context) -> Option<Value> {
    let consumer = context.consumer.as_ref()?;
    let id = Id::from(consumer.name.as_str());
    let stored = document(&*context.host, Kind::Consumer, &id);
    let mut told = stored.unwrap_or_else(|| json!({}));
    let fields = told.as_object_mut()?;
    fields.insert("username".into(), consumer.name.clone().into());
    fields.insert("consumer_name".into(), consumer.name.clone().into());
    if !consumer.labels.is_empty() {
        fields.insert("labels".into(), json!(consumer.labels));
    }
    if let Some(group) = &consumer.group_id {
        fields.insert("group_id".into(), group.clone().into());
    }
    if let Some(id) = &consumer.credential_id {
        fields.insert("credential_id".into(), id.clone().into());
    }
    Some(told)
}
