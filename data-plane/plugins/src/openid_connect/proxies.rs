//! Proxies between the gateway and the provider.

use std::sync::Arc;

use http::{HeaderValue, Uri};
use weir_plugin_api::outside::HttpProxy;

use super::options::ProxyOpts;
use crate::service_call::url;

/// Which proxy carries which call.
#[derive(Clone, Default)]
pub(super) struct Proxies {
    http: Option<Arc<HttpProxy>>,
    https: Option<Arc<HttpProxy>>,
    straight: Straight,
}

/// Hosts that are called without a proxy.
#[derive(Clone)]
enum Straight {
    All,
    /// These, and all below them.
    Hosts(Vec<String>),
}

impl Default for Straight {
    fn default() -> Self {
        Self::Hosts(Vec::new())
    }
}

impl Proxies {
    /// # Errors
    /// What cannot work.
    pub(super) fn compile(options: Option<&ProxyOpts>) -> Result<Self, String> {
        let Some(options) = options else {
            return Ok(Self::default());
        };
        let hosts = options.no_proxy.as_deref().unwrap_or_default();
        let hosts = hosts.split(',').map(str::trim);
        let hosts: Vec<String> = hosts
            .map(|host| host.trim_start_matches('.').to_ascii_lowercase())
            .filter(|host| !host.is_empty())
            .collect();
        Ok(Self {
            http: proxy(
                "http_proxy",
                options.http_proxy.as_deref(),
                options.http_proxy_authorization.as_deref(),
            )?,
            https: proxy(
                "https_proxy",
                options.https_proxy.as_deref(),
                options.https_proxy_authorization.as_deref(),
            )?,
            straight: if hosts.iter().any(|host| host == "*") {
                Straight::All
            } else {
                Straight::Hosts(hosts)
            },
        })
    }

    /// What carries a call to this place.
    pub(super) fn of(&self, uri: &Uri) -> Option<Arc<HttpProxy>> {
        let proxy = match uri.scheme_str() {
            Some("https") => self.https.as_ref(),
            _ => self.http.as_ref(),
        }?;
        let Straight::Hosts(hosts) = &self.straight else {
            return None;
        };
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        let is_below = |end: &String| {
            let rest = host.strip_suffix(end.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        (!hosts.iter().any(is_below)).then(|| Arc::clone(proxy))
    }
}

fn proxy(
    field: &str,
    place: Option<&str>,
    authorization: Option<&str>,
) -> Result<Option<Arc<HttpProxy>>, String> {
    let Some(place) = place else {
        return Ok(None);
    };
    let field = format!("proxy_opts.{field}");
    let uri = url(&field, place)?;
    if uri.scheme_str() != Some("http") {
        return Err(format!(
            "{field}: proxies are spoken to without TLS; expected http://HOST:PORT, got {place:?}"
        ));
    }
    let authorization = authorization.map(|text| {
        let value = HeaderValue::from_str(text);
        let mut value = value.map_err(|_| format!("{field}_authorization cannot be sent"))?;
        value.set_sensitive(true);
        Ok::<_, String>(value)
    });
    Ok(Some(Arc::new(HttpProxy {
        uri,
        authorization: authorization.transpose()?,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_goes_by_the_proxy_of_its_scheme_unless_its_host_is_excepted() {
        let options = ProxyOpts {
            http_proxy: Some("http://p.test:1".into()),
            https_proxy: Some("http://p.test:2".into()),
            https_proxy_authorization: Some("Basic x".into()),
            no_proxy: Some(" .inner.test, op2.test".into()),
            ..ProxyOpts::default()
        };
        let proxies = Proxies::compile(Some(&options)).unwrap();
        let port = |uri: &str| {
            let proxy = proxies.of(&uri.parse().unwrap());
            proxy.and_then(|proxy| proxy.uri.port_u16())
        };
        assert_eq!(port("http://op.test/a"), Some(1));
        assert_eq!(port("https://op.test/a"), Some(2));
        assert_eq!(port("https://OP.inner.test/"), None);
        assert_eq!(port("https://inner.test/"), None);
        assert_eq!(port("https://notinner.test/"), Some(2));
        assert_eq!(port("http://op2.test:8080/"), None);
        let all = ProxyOpts {
            no_proxy: Some("*".into()),
            ..options
        };
        let none = Proxies::compile(Some(&all)).unwrap();
        assert_eq!(none.of(&"http://op.test/".parse().unwrap()), None);
    }

    #[test]
    fn what_is_no_proxy_is_refused() {
        let told = |place: &str| {
            let options = ProxyOpts {
                http_proxy: Some(place.into()),
                ..ProxyOpts::default()
            };
            Proxies::compile(Some(&options)).err().unwrap()
        };
        assert!(told("p:1").starts_with("proxy_opts.http_proxy: expected a URL"));
        assert!(told("https://p:1").starts_with("proxy_opts.http_proxy: proxies are spoken to"));
    }
}
