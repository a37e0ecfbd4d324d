//! The operator's gRPC API, used directly where starting the CLI a thousand times would dominate.

use serde_json::Value;
use tonic::Request;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use weir_proto::control::change::Operation;
use weir_proto::control::control_service_client::ControlServiceClient;
use weir_proto::control::{ApplyRequest, Change};
use weir_proto::resource::Key;

use crate::cluster::KEY;

/// A connection with the admin key.
pub struct Operator {
    client: ControlServiceClient<Channel>,
}

impl Operator {
    /// Connects to `host:port`.
    pub async fn connect(address: &str) -> Self {
        let client = ControlServiceClient::connect(format!("http://{address}")).await;
        Self {
            client: client.unwrap_or_else(|error| panic!("{address}: {error}")),
        }
    }

    /// Writes documents (a JSON array, each with `kind` and `id`) as one revision; returns it.
    pub async fn apply(&mut self, documents: &str) -> u64 {
        let documents: Vec<Value> = serde_json::from_str(documents).expect("a JSON array");
        let changes = documents.into_iter().map(change).collect();
        let mut request = Request::new(ApplyRequest {
            changes,
            ..ApplyRequest::default()
        });
        request
            .metadata_mut()
            .insert("x-api-key", MetadataValue::from_static(KEY));
        let answer = self.client.apply(request).await;
        answer
            .unwrap_or_else(|status| panic!("{status}"))
            .into_inner()
            .revision
    }
}

fn change(mut document: Value) -> Change {
    let fields = document.as_object_mut().expect("an object");
    let kind = fields
        .remove("kind")
        .and_then(|kind| kind.as_str().map(str::to_owned));
    let id = fields
        .get("id")
        .and_then(|id| id.as_str().map(str::to_owned));
    let key = Key {
        kind: kind.expect("kind"),
        id: id.expect("id"),
    };
    Change {
        key: Some(key),
        operation: Some(Operation::Put(document.to_string().into_bytes())),
        ..Change::default()
    }
}
