//! A request as HTTP text.

use weir_plugin_api::Context;

use super::body;
use super::entry::Entries;

impl Entries {
    /// The request line, headers, and the body if it is logged.
    pub(crate) fn original(&self, context: &Context) -> String {
        let request = &context.request;
        let mut text = format!(
            "{} {} {}\r\n",
            request.method,
            request.raw_target,
            request.protocol()
        );
        for (name, value) in &request.headers {
            text.push_str(name.as_str());
            text.push_str(": ");
            text.push_str(&String::from_utf8_lossy(value.as_bytes()));
            text.push_str("\r\n");
        }
        text.push_str("\r\n");
        let rule = self.request_body.as_ref();
        if let Some(body) = rule.and_then(|rule| body::of_request(rule, context)) {
            text.push_str(&body);
        }
        text
    }
}
