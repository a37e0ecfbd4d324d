//! What a breaker answers instead of the node.

use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;
use weir_plugin_api::{Body, Context, Response};

use crate::api_breaker::Header;
use crate::header_edit::{self, HeaderEdit};
use crate::refusal::status;

/// Status, body and headers of the answer.
pub(crate) struct BreakAnswer {
    status: StatusCode,
    body: Option<Bytes>,
    headers: Box<[HeaderEdit]>,
}

impl BreakAnswer {
    /// Reads the fields `break_response_code`, `break_response_body` and `break_response_headers`.
    ///
    /// # Errors
    /// Which of them cannot be sent.
    pub(crate) fn compile(
        code: u16,
        body: Option<String>,
        headers: Option<&[Header]>,
    ) -> Result<Self, String> {
        let headers = headers.unwrap_or_default().iter().enumerate();
        let headers = headers.map(|(position, header)| {
            header_edit::parse_added(&header.key, &Value::from(header.value.as_str()))
                .map_err(|problem| format!("{problem} (break_response_headers[{position}])"))
        });
        Ok(Self {
            status: status("break_response_code", code)?,
            body: body.map(Bytes::from),
            headers: headers.collect::<Result<_, _>>()?,
        })
    }

    /// The answer to a request; headers are sent only with a body, as in APISIX.
    pub(crate) fn render(&self, context: &Context) -> Response {
        let Some(body) = &self.body else {
            return Response::page(self.status);
        };
        let headers = self.headers.iter().flat_map(|edit| {
            let values = edit.render(context).into_iter();
            values.map(|value| (edit.name.clone(), value))
        });
        Response {
            status: self.status,
            headers: headers.collect(),
            body: Body::Text(body.clone()),
        }
    }
}
