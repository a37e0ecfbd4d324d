//! What the authentication plugins share: the refusal with its challenge, the anonymous consumer,
//! and how a credential is taken out of what the node sees.

use http::header::{AUTHORIZATION, COOKIE, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use weir_plugin_api::request::{encode_path, query_arg, query_without};
use weir_plugin_api::{Context, Response, Step};

/// What happens to requests without a valid credential.
pub(crate) struct Gate {
    challenge: HeaderValue,
    anonymous: Option<String>,
}

impl Gate {
    /// Refuses with `WWW-Authenticate: SCHEME realm="REALM"`, unless there is an anonymous consumer.
    ///
    /// # Errors
    /// The realm cannot stand in a header.
    pub(crate) fn new(
        scheme: &str,
        realm: &str,
        anonymous: Option<String>,
    ) -> Result<Self, String> {
        let challenge = HeaderValue::from_str(&format!("{scheme} realm=\"{realm}\""))
            .map_err(|_| format!("realm must be visible ASCII, got {realm:?}"))?;
        Ok(Self {
            challenge,
            anonymous,
        })
    }

    /// Lets the anonymous consumer in; `None` when it is attached, else the refusal.
    pub(crate) fn fall_back(&self, context: &mut Context, message: &str) -> Option<Step<'static>> {
        let Some(name) = &self.anonymous else {
            return Some(self.refuse(message));
        };
        let Some(consumer) = context.host.consumer_by_name(name) else {
            return Some(self.refuse("Invalid user authorization"));
        };
        context.attach_consumer(consumer);
        None
    }

    /// 401 with the challenge.
    pub(crate) fn refuse(&self, message: &str) -> Step<'static> {
        let answer = Response::message(StatusCode::UNAUTHORIZED, message);
        Step::respond(answer.with_header(WWW_AUTHENTICATE, self.challenge.clone()))
    }
}

/// `Authorization` as text: empty when it is not visible ASCII, or stands there several times, where
/// a node could read another one.
pub(crate) fn authorization(context: &Context) -> Option<&str> {
    only(context, &AUTHORIZATION)
}

/// A field that stands there once, as text: empty when it is not visible ASCII, or there are several.
pub(crate) fn only<'c>(context: &'c Context, name: &HeaderName) -> Option<&'c str> {
    let mut values = context.request.headers.get_all(name).iter();
    let first = values.next()?;
    let text = match values.next() {
        None => first.to_str().unwrap_or_default(),
        Some(_) => "",
    };
    Some(text)
}

/// Takes a query argument out of everything that the node may see.
pub(crate) fn hide_argument(context: &mut Context, name: &str) {
    let request = &mut context.request;
    let Some(query) = request.query.take() else {
        return;
    };
    if query_arg(&query, name).is_none() {
        request.query = Some(query);
        return;
    }
    request.query = query_without(&query, name);
    let path = encode_path(&request.path);
    let target = context
        .target
        .uri
        .take()
        .unwrap_or_else(|| match &request.query {
            Some(query) => format!("{path}?{query}"),
            None => path,
        });
    context.target.uri = Some(without_argument(target, name));
    let raw = std::mem::take(&mut request.raw_target);
    request.raw_target = without_argument(raw, name);
}

fn without_argument(target: String, name: &str) -> String {
    match target.split_once('?') {
        None => target,
        Some((path, query)) => match query_without(query, name) {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        },
    }
}

/// The value of a cookie (RFC 6265 section 5.4): the first of its name.
pub(crate) fn cookie<'c>(context: &'c Context, name: &str) -> Option<&'c str> {
    let lines = context.request.headers.get_all(COOKIE).iter();
    let mut pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    pairs.find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key.trim() == name).then(|| value.trim())
    })
}

/// Takes every cookie of this name out of the request.
pub(crate) fn hide_cookie(context: &mut Context, name: &str) {
    if cookie(context, name).is_none() {
        return;
    }
    let headers = &mut context.request.headers;
    let kept: Vec<HeaderValue> = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| without_cookie(line, name))
        .collect();
    headers.remove(COOKIE);
    for line in kept {
        headers.append(COOKIE, line);
    }
}

fn without_cookie(line: &HeaderValue, name: &str) -> Option<HeaderValue> {
    let Ok(text) = line.to_str() else {
        return Some(line.clone());
    };
    let pairs = text.split(';').map(str::trim);
    let kept: Vec<&str> = pairs
        .filter(|pair| pair.split_once('=').map_or(*pair, |(key, _)| key).trim() != name)
        .collect();
    let kept = HeaderValue::from_str(&kept.join("; ")).ok()?;
    (!kept.is_empty()).then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::sent;
    use weir_plugin_api::testkit::{FakeHost, request};

    #[test]
    fn one_authorization_is_read_and_several_are_none() {
        let read = |values: &[&str]| {
            let builder = values.iter().fold(request("/"), |builder, value| {
                builder.header("authorization", value)
            });
            let context = builder.context(FakeHost::shared());
            authorization(&context).map(str::to_owned)
        };
        assert_eq!(read(&[]), None);
        assert_eq!(read(&["Basic a"]), Some("Basic a".into()));
        assert_eq!(read(&["Basic a", "Basic b"]), Some(String::new()));
        assert_eq!(read(&["Basic \u{e4}"]), Some(String::new()));
    }

    #[test]
    fn a_cookie_is_found_and_hidden_wherever_it_stands() {
        let mut context = request("/")
            .header("cookie", "a=1; jwt = x.y ;b=2")
            .header("cookie", "jwt=second")
            .header("cookie", "c=3")
            .context(FakeHost::shared());
        assert_eq!(cookie(&context, "jwt"), Some("x.y"));
        assert_eq!(cookie(&context, "wt"), None);
        hide_cookie(&mut context, "jwt");
        assert_eq!(sent(&context, "cookie"), ["a=1; b=2", "c=3"]);
        hide_cookie(&mut context, "c");
        assert_eq!(sent(&context, "cookie"), ["a=1; b=2"]);
    }
}
