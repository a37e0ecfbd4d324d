//! Cookies that may be larger than one cookie may be.

use http::HeaderValue;
use http::header::COOKIE;
use weir_plugin_api::{Context, Scheme};

use super::options::Session;
use crate::authentication::{cookie, hide_cookie};

/// Bytes of a value in one cookie: browsers take 4,096 with name and attributes.
const PART: usize = 3800;

/// Parts at most: more would not fit into the head of a request.
const MOST_PARTS: usize = 8;

/// How the cookies of one configuration are written.
pub(super) struct Cookies {
    /// Name of the first part.
    pub(super) name: String,
    path: String,
    domain: Option<String>,
    http_only: bool,
    secure: Option<bool>,
    same_site: Option<&'static str>,
}

impl Cookies {
    /// # Errors
    /// What cannot stand in a cookie.
    pub(super) fn compile(session: Option<&Session>) -> Result<Self, String> {
        let text = |field: &str, value: Option<&String>, default: &str| {
            let text = value.map_or(default, String::as_str);
            let is_good = |byte: u8| byte.is_ascii_graphic() && !b";,\"\\".contains(&byte);
            if text.is_empty() || !text.bytes().all(is_good) {
                return Err(format!(
                    "session.{field} cannot stand in a cookie: {text:?}"
                ));
            }
            Ok(text.to_owned())
        };
        let field = |get: fn(&Session) -> &Option<String>| session.and_then(|s| get(s).as_ref());
        let name = text("cookie_name", field(|s| &s.cookie_name), "session")?;
        if name.contains('=') {
            return Err(format!(
                "session.cookie_name cannot stand in a cookie: {name:?}"
            ));
        }
        let domain = field(|s| &s.cookie_domain);
        let same_site = match field(|s| &s.cookie_same_site).map_or("Lax", String::as_str) {
            "Strict" => Some("Strict"),
            "None" => Some("None"),
            "Default" => None,
            _ => Some("Lax"),
        };
        Ok(Self {
            name,
            path: text("cookie_path", field(|s| &s.cookie_path), "/")?,
            domain: domain
                .map(|domain| text("cookie_domain", Some(domain), ""))
                .transpose()?,
            http_only: session.and_then(|s| s.cookie_http_only).unwrap_or(true),
            secure: session.and_then(|s| s.cookie_secure),
            same_site,
        })
    }

    /// Whether the first part is too large together with the others.
    pub(super) fn fits(value: &str) -> bool {
        value.len() <= PART * MOST_PARTS
    }

    fn part(&self, number: usize) -> String {
        match number {
            0 => self.name.clone(),
            number => format!("{}_{}", self.name, number + 1),
        }
    }

    /// The value that the request brings.
    pub(super) fn read(&self, context: &Context) -> Option<String> {
        let (count, first) = cookie(context, &self.name)?.split_once('.')?;
        let count: usize = count.parse().ok()?;
        if count == 0 || count > MOST_PARTS {
            return None;
        }
        let mut value = first.to_owned();
        for number in 1..count {
            value.push_str(cookie(context, &self.part(number))?);
        }
        Some(value)
    }

    /// `Set-Cookie` fields that keep `value`, and end parts of a larger one before it.
    pub(super) fn write(&self, context: &Context, value: &str) -> Vec<HeaderValue> {
        let mut parts = Vec::new();
        let mut rest = value;
        while !rest.is_empty() {
            let (part, behind) = rest.split_at_checked(PART).unwrap_or((rest, ""));
            parts.push(part);
            rest = behind;
        }
        let count = parts.len();
        let set = parts.into_iter().enumerate().map(|(number, part)| {
            let count = if number == 0 {
                format!("{count}.")
            } else {
                String::new()
            };
            self.line(context, &self.part(number), &format!("{count}{part}"), None)
        });
        let left = (count..MOST_PARTS).filter_map(|number| self.end(context, &self.part(number)));
        set.flatten().chain(left).collect()
    }

    /// `Set-Cookie` fields that end what the request brings.
    pub(super) fn clear(&self, context: &Context) -> Vec<HeaderValue> {
        let parts = 0..MOST_PARTS;
        parts
            .filter_map(|number| self.end(context, &self.part(number)))
            .collect()
    }

    /// Ends a cookie that the request brings.
    pub(super) fn end(&self, context: &Context, name: &str) -> Option<HeaderValue> {
        cookie(context, name)?;
        self.line(context, name, "", Some(0))
    }

    /// One `Set-Cookie` field.
    pub(super) fn line(
        &self,
        context: &Context,
        name: &str,
        value: &str,
        max_age: Option<u64>,
    ) -> Option<HeaderValue> {
        let mut line = format!("{name}={value}; Path={}", self.path);
        if let Some(domain) = &self.domain {
            line.push_str(&format!("; Domain={domain}"));
        }
        if let Some(max_age) = max_age {
            line.push_str(&format!("; Max-Age={max_age}"));
        }
        if self.http_only {
            line.push_str("; HttpOnly");
        }
        let secure = self
            .secure
            .unwrap_or(context.request.scheme == Scheme::Https);
        if secure {
            line.push_str("; Secure");
        }
        if let Some(same_site) = self.same_site {
            // A login comes back from another site.
            let is_login = name.len() > self.name.len() && name.contains("_login_");
            let same_site = if is_login && same_site == "Strict" {
                "Lax"
            } else {
                same_site
            };
            line.push_str(&format!("; SameSite={same_site}"));
        }
        HeaderValue::from_str(&line).ok()
    }

    /// Names of the logins that the request knows of.
    pub(super) fn logins(&self, context: &Context) -> Vec<String> {
        let prefix = self.login("");
        let lines = context.request.headers.get_all(COOKIE).iter();
        let pairs = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'));
        let names = pairs
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, _)| name.trim());
        let names = names.filter(|name| name.starts_with(&prefix));
        names.map(str::to_owned).collect()
    }

    /// Name of the cookie of one login.
    pub(super) fn login(&self, state: &str) -> String {
        let short = state.get(..16).unwrap_or(state);
        format!("{}_login_{short}", self.name)
    }

    /// Takes all of them out of what the node sees.
    pub(super) fn hide(&self, context: &mut Context) {
        if !context.request.headers.contains_key(COOKIE) {
            return;
        }
        for number in 0..MOST_PARTS {
            hide_cookie(context, &self.part(number));
        }
        for name in self.logins(context) {
            hide_cookie(context, &name);
        }
    }
}
