//! What the plugins of function platforms share: the request goes to a function in place of a node.

mod options;
#[cfg(test)]
pub(crate) mod tests;

use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use weir_plugin_api::outside::{HttpAnswer, HttpCall};
use weir_plugin_api::request::encode_path;
use weir_plugin_api::{Context, Response, Step, WholeBody};

use crate::onward::end_to_end;

pub use options::{CallOptions, FunctionConfig, FunctionOptions};

/// Largest body of an answer. AWS Lambda, which allows most, allows 6 MiB.
const MAX_ANSWER: usize = 16 << 20;

/// The function of one configuration.
pub(crate) struct Function {
    /// The plugin, for the log.
    name: &'static str,
    /// Scheme and authority.
    base: String,
    /// Path of the function, `/` at least.
    path: String,
    /// Query of the function, without `?`.
    query: Option<String>,
    options: CallOptions,
    /// Answer to a request whose body is too large.
    too_large: StatusCode,
}

impl Function {
    /// A function at a URL of its own.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(crate) fn at(name: &'static str, options: FunctionOptions) -> Result<Self, String> {
        let uri = &options.function_uri;
        let too_large = StatusCode::BAD_REQUEST;
        Self::new(name, "function_uri", uri, options.call, too_large)
    }

    /// Reads where a function is; `field` is named in errors.
    ///
    /// # Errors
    /// It is no URL of `http` or `https`.
    pub(crate) fn new(
        name: &'static str,
        field: &str,
        uri: &str,
        options: CallOptions,
        too_large: StatusCode,
    ) -> Result<Self, String> {
        let wrong = || format!("{field} must be a URL with http or https, got {uri:?}");
        // A host alone is taken for one that speaks HTTP.
        let full = if uri.contains("://") {
            uri.to_owned()
        } else {
            format!("http://{uri}")
        };
        let parsed: Uri = full.parse().map_err(|_| wrong())?;
        let scheme = parsed.scheme_str().unwrap_or_default();
        let authority = parsed.authority().ok_or_else(wrong)?;
        if !matches!(scheme, "http" | "https") || authority.host().is_empty() {
            return Err(wrong());
        }
        Ok(Self {
            name,
            base: format!("{scheme}://{authority}"),
            path: parsed.path().to_owned(),
            query: parsed.query().map(str::to_owned),
            options,
            too_large,
        })
    }

    /// A path below that of the configuration.
    pub(crate) fn below(&self, path: &str) -> String {
        format!("{}{path}", self.path.trim_end_matches('/'))
    }

    /// The body of the request; a step when it is not there.
    ///
    /// # Errors
    /// What to do first, or instead.
    pub(crate) fn body(&self, context: &Context) -> Result<bytes::Bytes, Step<'static>> {
        let limit = self.options.max_req_body_size;
        match context.request.body.whole(limit) {
            WholeBody::Read(body) => Ok(body.clone()),
            WholeBody::Unread => Err(Step::ReadBody),
            WholeBody::TooLarge => {
                tracing::warn!(plugin = self.name, limit, "request body is too large");
                Err(Step::respond(Response::text(self.too_large, "")))
            }
        }
    }

    /// The client's request as the function gets it: method, query, headers and body, and behind the
    /// path of the function what `*` stands for in that of the route.
    ///
    /// # Errors
    /// What to do first, or instead.
    pub(crate) fn request(&self, context: &Context) -> Result<HttpCall, Step<'static>> {
        let body = self.body(context)?;
        let mut path = self.path.clone();
        let tail = context.params.iter().find(|(name, _)| &**name == ":ext");
        if let Some((_, tail)) = tail {
            let tail = encode_path(tail);
            match (path.ends_with('/'), tail.strip_prefix('/')) {
                (true, Some(rest)) => path.push_str(rest),
                (true, None) | (false, Some(_)) => path.push_str(&tail),
                (false, None) => {
                    path.push('/');
                    path.push_str(&tail);
                }
            }
        }
        let queries = [self.query.as_deref(), query(context)];
        let queries: Vec<&str> = queries
            .into_iter()
            .flatten()
            .filter(|query| !query.is_empty())
            .collect();
        let query = queries.join("&");
        let method = context.target.method.as_ref();
        let method = method.unwrap_or(&context.request.method).clone();
        let mut call = self.call(method, &path, &query)?;
        call.headers = end_to_end(&context.request.headers);
        call.headers.remove(HOST);
        call.body = body;
        Ok(call)
    }

    /// A call to a path of the function's server.
    ///
    /// # Errors
    /// The answer to the client when that is nothing which can be asked for.
    pub(crate) fn call(
        &self,
        method: Method,
        path: &str,
        query: &str,
    ) -> Result<HttpCall, Step<'static>> {
        let mark = if query.is_empty() { "" } else { "?" };
        let uri = format!("{}{path}{mark}{query}", self.base);
        let uri: Uri = uri
            .parse()
            .map_err(|error| self.failed(&format!("it cannot be asked for {uri}: {error}")))?;
        let mut call = HttpCall::new(method, uri);
        self.options.service.apply(&mut call);
        call.max_answer = MAX_ANSWER;
        Ok(call)
    }

    /// Calls the function and answers with what `answer` makes of its answer.
    pub(crate) fn ask<'a>(
        &'a self,
        call: HttpCall,
        context: &Context,
        answer: impl FnOnce(HttpAnswer) -> Result<Response, String> + 'a,
    ) -> Step<'a> {
        let is_head = call.method == Method::HEAD;
        let asked = context.host.outside().http(call);
        Step::Wait(Box::pin(async move {
            let outcome = asked.await.map_err(|error| error.to_string());
            // How long the body would be is all that HEAD tells of it.
            let told = outcome.as_ref().ok().filter(|_| is_head);
            let length = told.and_then(|told| told.headers.get(CONTENT_LENGTH).cloned());
            match (outcome.and_then(answer), length) {
                (Ok(response), Some(length)) => {
                    Step::respond(response.with_header(CONTENT_LENGTH, length))
                }
                (Ok(response), None) => Step::respond(response),
                (Err(error), _) => self.failed(&error),
            }
        }))
    }

    /// The answer when there is none of the function.
    pub(crate) fn failed(&self, error: &str) -> Step<'static> {
        tracing::warn!(plugin = self.name, error, "the function gave no answer");
        Step::respond(Response::text(StatusCode::SERVICE_UNAVAILABLE, ""))
    }
}

/// The query of the client, or what plugins made of it.
fn query(context: &Context) -> Option<&str> {
    match &context.target.uri {
        Some(uri) => uri.split_once('?').map(|(_, query)| query),
        None => context.request.query.as_deref(),
    }
}

/// The answer of a function as it goes to the client. How its bytes travelled is its server's affair,
/// be the client one of HTTP/1.1 or HTTP/2.
///
/// # Errors
/// None: the shape is that of [`Function::ask`].
pub(crate) fn answered(answer: HttpAnswer) -> Result<Response, String> {
    let mut response = Response::text(answer.status, answer.body);
    let headers = end_to_end(&answer.headers);
    let fields = headers.iter();
    response.headers = fields
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    Ok(response)
}

/// Sets a header unless the client sent it.
pub(crate) fn set_unless_sent(call: &mut HttpCall, name: &HeaderName, value: Option<&HeaderValue>) {
    if let Some(value) = value {
        call.headers.entry(name).or_insert_with(|| value.clone());
    }
}
