//! What an upstream means by its service name, and whether the registry admits it. Pure.

use weir_model::field::pattern::Pattern;
use weir_model::registry::NamespaceSelector;

use crate::Error;

/// A port of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) namespace: String,
    pub(super) name: String,
    /// Name or number.
    pub(super) port: String,
}

impl Place {
    /// Reads `[CLUSTER/]NAMESPACE/NAME:PORT`. The cluster has chosen the registry already.
    pub(super) fn parse(service: &str) -> Result<Self, Error> {
        let wrong = || {
            Error::config(format!(
                "service_name: expected namespace/name:port, got {service:?}"
            ))
        };
        let (path, port) = service.rsplit_once(':').ok_or_else(wrong)?;
        let parts: Vec<&str> = path.split('/').collect();
        let (namespace, name) = match parts.as_slice() {
            [namespace, name] | [_, namespace, name] => (*namespace, *name),
            _ => return Err(wrong()),
        };
        if [namespace, name, port].iter().any(|part| !is_name(part)) {
            return Err(wrong());
        }
        Ok(Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            port: port.to_owned(),
        })
    }

    /// Whether this is a port of that name or number.
    pub(super) fn is_port(&self, name: Option<&str>, number: u16) -> bool {
        name == Some(self.port.as_str()) || self.port.parse() == Ok(number)
    }
}

/// Names of Kubernetes: they become part of paths and selectors as they are.
fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    !text.is_empty() && text.len() <= 253 && !text.starts_with('.') && text.chars().all(fits)
}

/// Which namespaces a registry reads.
pub(super) enum Admission {
    All,
    Only(String),
    AllBut(String),
    Matching(Vec<Pattern>),
    NotMatching(Vec<Pattern>),
}

impl Admission {
    pub(super) fn new(selector: Option<&NamespaceSelector>) -> Result<Self, Error> {
        let Some(selector) = selector else {
            return Ok(Self::All);
        };
        let patterns = |field: &str, sources: &[String]| {
            let compiled = sources.iter().map(|source| Pattern::parse(source));
            let compiled = compiled.collect::<Result<Vec<_>, _>>();
            compiled.map_err(|error| Error::config(format!("namespace_selector.{field}: {error}")))
        };
        Ok(if let Some(name) = &selector.equal {
            Self::Only(name.clone())
        } else if let Some(name) = &selector.not_equal {
            Self::AllBut(name.clone())
        } else if !selector.matches.is_empty() {
            Self::Matching(patterns("match", &selector.matches)?)
        } else if !selector.not_match.is_empty() {
            Self::NotMatching(patterns("not_match", &selector.not_match)?)
        } else {
            Self::All
        })
    }

    /// Whether it reads this one.
    pub(super) fn admits(&self, namespace: &str) -> bool {
        let any = |patterns: &[Pattern]| patterns.iter().any(|p| p.is_match(namespace));
        match self {
            Self::All => true,
            Self::Only(name) => name == namespace,
            Self::AllBut(name) => name != namespace,
            Self::Matching(patterns) => any(patterns),
            Self::NotMatching(patterns) => !any(patterns),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn service_names_have_two_or_three_parts_and_a_port() {
        let place = Place::parse("default/web:http").unwrap();
        assert_eq!(
            (
                place.namespace.as_str(),
                place.name.as_str(),
                place.port.as_str()
            ),
            ("default", "web", "http")
        );
        assert_eq!(Place::parse("east/default/web:http").unwrap(), place);
        for bad in [
            "web",
            "default/web",
            "web:80",
            "a/b/c/d:80",
            "default/:80",
            "/web:80",
            "default/web:",
            "default/we b:80",
            "default/web?x=1:80",
            "../web:80",
        ] {
            let error = Place::parse(bad).unwrap_err().to_string();
            assert!(error.contains("expected namespace/name:port"), "{error}");
        }
    }

    #[test]
    fn ports_are_names_or_numbers() {
        let port = |port: &str| Place::parse(&format!("a/b:{port}")).unwrap();
        assert!(port("http").is_port(Some("http"), 8080));
        assert!(port("8080").is_port(Some("http"), 8080));
        assert!(port("8080").is_port(None, 8080));
        assert!(!port("http").is_port(None, 80));
        assert!(!port("80").is_port(Some("http"), 8080));
    }

    #[test]
    fn selectors_choose_namespaces() {
        let admitted = |selector: Value| {
            let selector: NamespaceSelector = serde_json::from_value(selector).unwrap();
            let admission = Admission::new(Some(&selector)).unwrap();
            ["default", "shop-a", "shop-b"].map(|name| admission.admits(name))
        };
        assert_eq!(admitted(json!({})), [true, true, true]);
        assert_eq!(admitted(json!({"equal": "default"})), [true, false, false]);
        assert_eq!(
            admitted(json!({"not_equal": "default"})),
            [false, true, true]
        );
        assert_eq!(
            admitted(json!({"match": ["^shop-", "x"]})),
            [false, true, true]
        );
        assert_eq!(admitted(json!({"not_match": ["-a$"]})), [true, false, true]);
        let bad: NamespaceSelector = serde_json::from_value(json!({"match": ["("]})).unwrap();
        assert!(Admission::new(Some(&bad)).is_err());
    }
}
