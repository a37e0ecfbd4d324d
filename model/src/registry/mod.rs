//! Registries: where nodes are discovered.

mod backend;

use serde::Deserialize;
use serde_json::Value;

pub use backend::{
    Backend, Consul, ConsulTimeouts, DefaultService, Dns, Eureka, HttpTimeouts, Kubernetes,
    KubernetesClient, KubernetesService, Nacos, NamespaceSelector,
};

use crate::document;
use crate::field::labels::Labels;
use crate::schema;
use crate::validate::Problem;

/// Types of registry, as documents name them.
pub const TYPES: [&str; 6] = [
    "consul",
    "consul_kv",
    "nacos",
    "eureka",
    "dns",
    "kubernetes",
];

/// A registry in normal form.
#[derive(Debug, Clone, PartialEq)]
pub struct Registry {
    /// Free name.
    pub name: Option<String>,
    /// Labels.
    pub labels: Labels,
    /// TLS towards the registry.
    pub tls: RegistryTls,
    /// The type, with addresses, credentials and refresh settings.
    pub backend: Backend,
}

/// TLS towards a registry.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RegistryTls {
    /// Whether its certificate is verified.
    pub verify: bool,
    /// Trusted CAs, PEM; default trust store otherwise.
    pub ca: Option<String>,
    /// Name that its certificate must carry, instead of the one in the address.
    pub server_name: Option<String>,
    /// Client certificate chain, PEM.
    pub client_cert: Option<String>,
    /// Its key, PEM or secret reference.
    pub client_key: Option<String>,
}

impl Default for RegistryTls {
    fn default() -> Self {
        Self {
            verify: true,
            ca: None,
            server_name: None,
            client_cert: None,
            client_key: None,
        }
    }
}

impl std::fmt::Debug for RegistryTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Keys stay out of logs.
        f.debug_struct("RegistryTls")
            .field("verify", &self.verify)
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Raw {
    name: Option<String>,
    #[serde(default)]
    labels: Labels,
    #[serde(default)]
    tls: RegistryTls,
}

impl Registry {
    /// Reads a document: schema checked, defaults filled.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(spec: &Value) -> Result<Self, Problem> {
        let mut doc = spec.clone();
        schema::registry(spec).check(&mut doc)?;
        let raw: Raw = document::typed(doc.clone())?;
        Ok(Self {
            name: raw.name,
            labels: raw.labels,
            tls: raw.tls,
            backend: document::typed(doc)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_type_has_its_defaults() {
        let parse = |spec: Value| Registry::parse(&spec).unwrap().backend;
        let Backend::Consul(consul) =
            parse(json!({"type": "consul", "servers": ["http://c:8500"]}))
        else {
            panic!("expected consul");
        };
        assert_eq!(
            (consul.timeout.wait, consul.weight, consul.keepalive),
            (60, 1, true)
        );
        let Backend::ConsulKv(folder) =
            parse(json!({"type": "consul_kv", "servers": ["http://c:8500"]}))
        else {
            panic!("expected consul_kv");
        };
        assert_eq!((folder.prefix.as_str(), folder.stale), ("upstreams", false));
        let Backend::Nacos(nacos) = parse(json!({"type": "nacos", "host": ["http://n:8848"]}))
        else {
            panic!("expected nacos");
        };
        assert_eq!((nacos.weight, nacos.prefix.as_str()), (100, "/nacos/v1/"));
        let Backend::Eureka(eureka) = parse(json!({"type": "eureka", "host": ["http://e:8761"]}))
        else {
            panic!("expected eureka");
        };
        assert_eq!(
            (eureka.fetch_interval, eureka.timeout),
            (30, HttpTimeouts::default())
        );
        let Backend::Kubernetes(kubernetes) = parse(json!({"type": "kubernetes"})) else {
            panic!("expected kubernetes");
        };
        assert_eq!(kubernetes.default_weight, 50);
        assert_eq!(kubernetes.service.schema, "https");
        assert!(kubernetes.client.token_file.is_some());
        let Backend::Dns(dns) = parse(json!({"type": "dns", "resolv_conf": "/x"})) else {
            panic!("expected dns");
        };
        assert_eq!((dns.min_ttl.as_secs(), dns.max_ttl.as_secs()), (1, 300));
    }

    #[test]
    fn credentials_are_not_printed() {
        let spec = json!({"type": "consul", "servers": ["http://c:8500"], "token": "hush"});
        assert!(!format!("{:?}", Registry::parse(&spec).unwrap()).contains("hush"));
    }
}
