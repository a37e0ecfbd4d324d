//! Keys, members, agents and reflection.

use serde_json::Value;
use tonic::{Code, Request};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use weir_model::Kind;
use weir_proto::cluster::{ListAgentsRequest, RemoveRequest, StatusRequest};
use weir_proto::control::{ApplyRequest, GetRequest, ListRequest};

use super::{Harness, VIEWER, as_admin, put, upstream, with_key};
use crate::sync::fleet::Identity;

#[tokio::test]
async fn keys_decide_who_may_do_what() {
    let harness = Harness::start().await;
    let list = ListRequest::default;
    let nobody = harness.control().list(Request::new(list())).await;
    assert_eq!(
        nobody.err().map(|status| status.code()),
        Some(Code::Unauthenticated)
    );
    let wrong = harness
        .cluster()
        .status(with_key("guess", StatusRequest::default()))
        .await;
    assert_eq!(wrong.unwrap_err().code(), Code::Unauthenticated);

    harness
        .control()
        .list(with_key(VIEWER, list()))
        .await
        .unwrap();
    harness
        .cluster()
        .status(with_key(VIEWER, StatusRequest::default()))
        .await
        .unwrap();
    let write = harness
        .control()
        .apply(with_key(VIEWER, ApplyRequest::default()))
        .await;
    assert_eq!(write.unwrap_err().code(), Code::PermissionDenied);
    let remove = RemoveRequest {
        node_id: 1,
        force: true,
    };
    let remove = harness.cluster().remove(with_key(VIEWER, remove)).await;
    assert_eq!(remove.unwrap_err().code(), Code::PermissionDenied);
    let secrets = ListRequest {
        include_secrets: true,
        ..ListRequest::default()
    };
    let secrets = harness.control().list(with_key(VIEWER, secrets)).await;
    assert_eq!(
        secrets.err().map(|status| status.code()),
        Some(Code::PermissionDenied)
    );
}

#[tokio::test]
async fn one_resource_is_read_by_its_key() {
    let harness = Harness::start().await;
    harness
        .apply(vec![put(Kind::Upstream, "u", &upstream())])
        .await
        .unwrap();
    let get = async |kind: &str, id: &str| {
        let request = GetRequest {
            key: Some(weir_proto::resource::Key {
                kind: kind.to_owned(),
                id: id.to_owned(),
            }),
            ..GetRequest::default()
        };
        harness.control().get(as_admin(request)).await
    };
    let found = get("upstream", "u").await.unwrap().into_inner();
    let spec: Value = serde_json::from_slice(&found.resource.unwrap().spec).unwrap();
    assert_eq!(spec, upstream());
    let absent = get("upstream", "v").await.unwrap_err();
    assert_eq!(absent.code(), Code::NotFound);
    assert_eq!(absent.message(), "upstreams/v: does not exist");
    assert_eq!(
        get("rout", "1").await.unwrap_err().code(),
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn the_status_names_the_members_and_the_state() {
    let harness = Harness::start().await;
    let (revision, _) = harness
        .apply(vec![put(Kind::Upstream, "u", &upstream())])
        .await
        .unwrap();
    let status = harness
        .cluster()
        .status(as_admin(StatusRequest::default()))
        .await;
    let status = status.unwrap().into_inner();
    assert_eq!((status.node_id, status.leader_id), (1, 1));
    assert_eq!(status.state_hash_index, revision);
    assert_eq!(
        status.state_hash,
        weir_store::state_hash(&harness.shared.raft.stale())
    );
    assert!(harness.dir.path().is_dir());
}

#[tokio::test]
async fn agents_are_listed_with_their_lag() {
    let harness = Harness::start().await;
    let identity = Identity {
        name: "edge-1".to_owned(),
        instance: "i".to_owned(),
        ..Identity::default()
    };
    harness.shared.agents.connect(identity, 1);
    let (revision, _) = harness
        .apply(vec![put(Kind::Upstream, "u", &upstream())])
        .await
        .unwrap();
    let list = async |name: &str| {
        let request = ListAgentsRequest {
            name: name.to_owned(),
            local_only: false,
        };
        let answer = harness.cluster().list_agents(as_admin(request)).await;
        answer.unwrap().into_inner()
    };
    let all = list("").await;
    assert_eq!(all.revision, revision);
    assert_eq!(
        (all.agents[0].name.as_str(), all.agents[0].lag),
        ("edge-1", revision)
    );
    assert_eq!(list("edge-1").await.agents.len(), 1);
    assert!(list("edge-2").await.agents.is_empty());
}

#[tokio::test]
async fn reflection_lists_the_services() {
    let harness = Harness::start().await;
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(harness.channel.clone());
    let mut answers = client
        .server_reflection_info(tokio_stream::iter([request]))
        .await
        .unwrap()
        .into_inner();
    let answer = answers.message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("{answer:?}");
    };
    let names: Vec<_> = list
        .service
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    for name in [
        "weir.control.v1.ControlService",
        "weir.cluster.v1.ClusterService",
    ] {
        assert!(names.contains(&name), "{names:?}");
    }
}
