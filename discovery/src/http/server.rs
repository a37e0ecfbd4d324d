//! Servers of a registry, and which of them is asked first.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

use crate::{Error, ErrorKind};

/// One server: where it is and what its URL says besides.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Server {
    scheme: Scheme,
    authority: Authority,
    /// Path before every other, without slash at its end.
    base: String,
    /// User and password of the URL, percent-decoded.
    pub(crate) login: Option<(String, String)>,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The password stays out of logs.
        fmt::Display::fmt(self, f)
    }
}

impl Server {
    /// Reads `http(s)://[user:password@]host[:port][/path]`.
    pub(crate) fn parse(url: &str) -> Result<Self, Error> {
        let shown = url.rsplit('@').next().unwrap_or(url);
        let wrong = |what: &str| {
            Error::config(format!(
                "expected a server as http(s)://host[:port], got {shown:?}: {what}"
            ))
        };
        let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("no scheme"))?;
        let scheme = match scheme {
            "http" => Scheme::HTTP,
            "https" => Scheme::HTTPS,
            _ => return Err(wrong("only http and https are spoken")),
        };
        let (authority, base) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        // A password may have an `@` in it.
        let (login, authority) = match authority.rsplit_once('@') {
            Some((login, authority)) => {
                let (user, password) = login.split_once(':').unwrap_or((login, ""));
                (Some((decoded(user), decoded(password))), authority)
            }
            None => (None, authority),
        };
        let authority: Authority = authority.parse().map_err(|_| wrong("no host"))?;
        if authority.host().is_empty() {
            return Err(wrong("no host"));
        }
        let base = base.trim_end_matches('/').to_owned();
        base_is_a_path(&base)
            .ok_or_else(|| wrong("the path has characters that a path cannot have"))?;
        Ok(Self {
            scheme,
            authority,
            base,
            login,
        })
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        let default = if self.scheme == Scheme::HTTPS {
            443
        } else {
            80
        };
        self.authority.port_u16().unwrap_or(default)
    }

    /// The same host at another port, without path and login.
    pub(crate) fn with_port(&self, port: u16) -> Result<Self, Error> {
        Self::parse(&format!(
            "{}://{}:{port}",
            self.scheme,
            self.authority.host()
        ))
    }

    /// The URL of a path with its query, which begins with a slash.
    pub(crate) fn url(&self, path: &str) -> Result<Uri, Error> {
        let whole = format!("{}{path}", self.base);
        let built = PathAndQuery::try_from(whole).ok().and_then(|path| {
            Uri::builder()
                .scheme(self.scheme.clone())
                .authority(self.authority.clone())
                .path_and_query(path)
                .build()
                .ok()
        });
        built.ok_or_else(|| Error::at(self, ErrorKind::Config, format!("{path:?} is not a path")))
    }
}

fn base_is_a_path(base: &str) -> Option<()> {
    if base.is_empty() || PathAndQuery::try_from(base).is_ok_and(|path| path.query().is_none()) {
        return Some(());
    }
    None
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}

/// The servers of one registry. They are tried in turn, from the one that answered last.
#[derive(Debug)]
pub(crate) struct Servers {
    all: Vec<Arc<Server>>,
    preferred: AtomicUsize,
}

impl Servers {
    /// Reads the URLs.
    pub(crate) fn parse(urls: &[String]) -> Result<Self, Error> {
        let all = urls.iter().map(|url| Server::parse(url).map(Arc::new));
        let all = all.collect::<Result<Vec<_>, _>>()?;
        if all.is_empty() {
            return Err(Error::config("expected at least one server, got none"));
        }
        Ok(Self {
            all,
            preferred: AtomicUsize::new(0),
        })
    }

    /// The first login that a URL states.
    pub(crate) fn login(&self) -> Option<&(String, String)> {
        self.all.iter().find_map(|server| server.login.as_ref())
    }

    /// Asks one server after the other until one answers, and prefers that one from then on. A
    /// failure that no other server would cure ends it; else the last failure is returned.
    pub(crate) async fn ask<T, F>(&self, ask: impl Fn(Arc<Server>) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let first = self.preferred.load(Ordering::Relaxed);
        let mut last = Error::config("expected at least one server, got none");
        for turn in 0..self.all.len() {
            let at = (first + turn) % self.all.len();
            let Some(server) = self.all.get(at) else {
                break;
            };
            match ask(Arc::clone(server)).await {
                Ok(answer) => {
                    self.preferred.store(at, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(error) if error.kind.is_of_one_server() => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn urls_are_read_with_login_and_path() {
        let server = Server::parse("https://nacos:p%40ss@w:rd@host:8848/ctx/").unwrap();
        assert_eq!(server.to_string(), "https://host:8848");
        let login = server.login.clone().unwrap();
        assert_eq!((login.0.as_str(), login.1.as_str()), ("nacos", "p@ss@w:rd"));
        assert_eq!(
            server.url("/v1?x=1").unwrap().to_string(),
            "https://host:8848/ctx/v1?x=1"
        );
        let plain = Server::parse("http://[::1]:8500").unwrap();
        assert_eq!(plain.url("/a").unwrap().to_string(), "http://[::1]:8500/a");
    }

    #[test]
    fn what_is_no_server_is_refused_without_its_password() {
        for bad in [
            "host:80",
            "ftp://h",
            "http://",
            "http:///x",
            "http://u:hush@h/ä b",
        ] {
            let error = Server::parse(bad).unwrap_err().to_string();
            assert!(error.contains("http(s)://host"), "{bad}: {error}");
            assert!(!error.contains("hush"), "{error}");
        }
    }

    async fn asked(servers: &Servers, bad: &[&str], kind: ErrorKind) -> (Vec<String>, bool) {
        let tried = Mutex::new(Vec::new());
        let answer = servers.ask(|server| {
            let name = server.to_string();
            let fails = bad.iter().any(|bad| name.ends_with(bad));
            tried.lock().unwrap().push(name.clone());
            async move {
                if fails {
                    Err(Error::at(name, kind, "x"))
                } else {
                    Ok(())
                }
            }
        });
        let ok = answer.await.is_ok();
        (tried.into_inner().unwrap(), ok)
    }

    #[tokio::test]
    async fn servers_are_tried_in_turn_and_the_good_one_is_kept() {
        let urls = ["http://a", "http://b", "http://c"].map(str::to_owned);
        let servers = Servers::parse(&urls).unwrap();
        let down = ErrorKind::Unreachable;
        let (tried, ok) = asked(&servers, &["a", "b"], down).await;
        assert_eq!((tried.len(), ok), (3, true));
        let (tried, _) = asked(&servers, &[], down).await;
        assert_eq!(tried, ["http://c"]);
        let (tried, ok) = asked(&servers, &["a", "b", "c"], down).await;
        assert_eq!(
            (tried, ok),
            (
                vec!["http://c".into(), "http://a".into(), "http://b".into()],
                false
            )
        );
        let (tried, ok) = asked(&servers, &["c"], ErrorKind::Refused).await;
        assert_eq!((tried.len(), ok), (1, false));
    }
}
