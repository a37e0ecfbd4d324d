//! Refusals of the operator's API: problems in the details of a gRPC status.

use prost::Message;
use tonic::{Code, Status};

use crate::control::Refusal;

const TYPE_URL: &str = "type.googleapis.com/weir.control.v1.Refusal";

/// `google.rpc.Status`, which is what clients expect in `grpc-status-details-bin`.
#[derive(Clone, PartialEq, Message)]
struct Details {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

/// A status that carries `refusal` in its details, in the form that gRPC tools can show.
#[must_use]
pub fn refused(code: Code, message: impl Into<String>, refusal: &Refusal) -> Status {
    let message = message.into();
    let details = Details {
        code: code as i32,
        message: message.clone(),
        details: vec![prost_types::Any {
            type_url: TYPE_URL.to_owned(),
            value: refusal.encode_to_vec(),
        }],
    };
    Status::with_details(code, message, details.encode_to_vec().into())
}

/// The refusal in the details of a status, if there is one.
#[must_use]
pub fn refusal(status: &Status) -> Option<Refusal> {
    let details = Details::decode(status.details()).ok()?;
    let any = details
        .details
        .iter()
        .find(|any| any.type_url == TYPE_URL)?;
    Refusal::decode(any.value.as_slice()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::{Key, Problem};

    #[test]
    fn a_refusal_survives_the_status() {
        let sent = Refusal {
            problems: vec![Problem {
                key: Some(Key {
                    kind: "route".to_owned(),
                    id: "1".to_owned(),
                }),
                path: "uri".to_owned(),
                message: "bad".to_owned(),
            }],
            current_revision: 7,
        };
        let status = refused(Code::InvalidArgument, "routes/1: uri: bad", &sent);
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(refusal(&status), Some(sent));
    }

    #[test]
    fn other_details_are_no_refusal() {
        assert_eq!(refusal(&Status::internal("x")), None);
        let odd = Status::with_details(Code::Internal, "x", vec![1, 2, 3].into());
        assert_eq!(refusal(&odd), None);
    }
}
