//! The services over a real listener, with consensus of one node behind them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Code, Request, Streaming};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use weir_model::{Key, Kind};
use weir_proto::cluster::cluster_service_client::ClusterServiceClient;
use weir_proto::cluster::{ListAgentsRequest, RemoveRequest, StatusRequest};
use weir_proto::control::control_service_client::ControlServiceClient;
use weir_proto::control::{
    ApplyRequest, Change, Effect, GetRequest, ListRequest, WatchRequest, WatchResponse,
    change::Operation,
};
use weir_proto::convert::control::refusal;

use crate::config::{Options, load};
use crate::sync::fleet::{Fleet, Identity};
use crate::{Shared, admin};

const ADMIN: &str = "admin-key";
const VIEWER: &str = "viewer-key";

struct Harness {
    channel: Channel,
    shared: Arc<Shared>,
    dir: TempDir,
}

impl Harness {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let any = || Some("127.0.0.1:0".to_owned());
        let config = load(Options {
            data_dir: Some(dir.path().to_owned()),
            admin: any(),
            grpc: any(),
            peer: any(),
            status: any(),
            bootstrap: Some(true),
            admin_key: Some(ADMIN.to_owned()),
            viewer_key: Some(VIEWER.to_owned()),
            ..Options::default()
        })
        .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let raft = weir_raft::Handle::start(weir_raft::Options {
            node_id: config.node_id,
            data_dir: config.data_dir.clone(),
            peer_listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            peer_address: config.advertise_peer.clone(),
            grpc_address: address.to_string(),
            start: config.start.clone(),
            snapshot_every: config.snapshot_every,
            deadline: config.deadline,
        })
        .await
        .unwrap();
        let shared = Arc::new(Shared {
            keys: admin::auth::load(&config.keys).unwrap(),
            agents: Arc::new(Fleet::open(dir.path(), config.node_id).unwrap()),
            catalog: weir_plugins::Builtin,
            shutdown: CancellationToken::new(),
            metrics: crate::metrics::Metrics::new(),
            raft,
            config,
        });
        let server = tonic::transport::Server::builder()
            .add_routes(super::services(&shared))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        let channel = Channel::from_shared(format!("http://{address}"))
            .unwrap()
            .connect()
            .await
            .unwrap();
        Self {
            channel,
            shared,
            dir,
        }
    }

    fn control(&self) -> ControlServiceClient<Channel> {
        ControlServiceClient::new(self.channel.clone())
    }

    fn cluster(&self) -> ClusterServiceClient<Channel> {
        ClusterServiceClient::new(self.channel.clone())
    }

    /// Applies and tells the revision and the effects.
    async fn apply(&self, changes: Vec<Change>) -> Result<(u64, Vec<Effect>), tonic::Status> {
        let request = ApplyRequest {
            changes,
            author: "ann".to_owned(),
            message: "why".to_owned(),
            ..ApplyRequest::default()
        };
        let answer = self.control().apply(as_admin(request)).await?.into_inner();
        let effects = answer.applied.iter().map(|applied| applied.effect());
        Ok((answer.revision, effects.collect()))
    }

    async fn watch(&self, from_revision: u64) -> Streaming<WatchResponse> {
        let request = WatchRequest {
            kinds: Vec::new(),
            from_revision,
        };
        self.control()
            .watch(as_admin(request))
            .await
            .unwrap()
            .into_inner()
    }
}

fn with_key<T>(key: &'static str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert("x-api-key", key.parse().unwrap());
    request
}

fn as_admin<T>(message: T) -> Request<T> {
    with_key(ADMIN, message)
}

fn put(kind: Kind, id: &str, document: &Value) -> Change {
    Change {
        key: Some((&Key::new(kind, id)).into()),
        operation: Some(Operation::Put(document.to_string().into_bytes())),
        ..Change::default()
    }
}

fn delete(kind: Kind, id: &str) -> Change {
    Change {
        key: Some((&Key::new(kind, id)).into()),
        operation: Some(Operation::Delete(true)),
        ..Change::default()
    }
}

fn upstream() -> Value {
    json!({"type": "roundrobin", "nodes": {"127.0.0.1:1": 1}})
}

async fn next(stream: &mut Streaming<WatchResponse>) -> WatchResponse {
    tokio::time::timeout(Duration::from_secs(20), stream.message())
        .await
        .expect("a change in time")
        .unwrap()
        .expect("the stream goes on")
}

fn ids(keys: &[weir_proto::resource::Key]) -> Vec<String> {
    keys.iter()
        .map(|key| format!("{}/{}", key.kind, key.id))
        .collect()
}

#[tokio::test]
async fn many_changes_are_one_revision_and_nothing_is_written_twice() {
    let harness = Harness::start().await;
    let route = json!({"uri": "/a", "upstream_id": "u"});
    let both = || {
        vec![
            put(Kind::Upstream, "u", &upstream()),
            put(Kind::Route, "1", &route),
        ]
    };
    let (first, effects) = harness.apply(both()).await.unwrap();
    assert_eq!(effects, [Effect::Created, Effect::Created]);
    let state = harness.shared.raft.stale();
    let modified: Vec<_> = state.set.resources.values().map(|r| r.modified).collect();
    assert_eq!(modified, [first, first]);

    // The same again, one of them with the id that the key has already.
    let again = vec![
        put(Kind::Upstream, "u", &upstream()),
        put(
            Kind::Route,
            "1",
            &json!({"id": 1, "upstream_id": "u", "uri": "/a"}),
        ),
    ];
    let (same, effects) = harness.apply(again).await.unwrap();
    assert_eq!(
        (same, effects),
        (first, vec![Effect::Unchanged, Effect::Unchanged])
    );

    let mixed = vec![
        put(Kind::Upstream, "u", &upstream()),
        put(Kind::Route, "1", &json!({"uri": "/b", "upstream_id": "u"})),
        put(Kind::Route, "2", &json!({"uri": "/c", "upstream_id": "u"})),
    ];
    let (second, effects) = harness.apply(mixed).await.unwrap();
    assert!(second > first);
    assert_eq!(
        effects,
        [Effect::Unchanged, Effect::Changed, Effect::Created]
    );
}

#[tokio::test]
async fn a_dry_run_checks_and_writes_nothing() {
    let harness = Harness::start().await;
    let request = |upstream_id: &str| ApplyRequest {
        changes: vec![put(
            Kind::Route,
            "1",
            &json!({"uri": "/", "upstream_id": upstream_id}),
        )],
        dry_run: true,
        ..ApplyRequest::default()
    };
    harness
        .apply(vec![put(Kind::Upstream, "u", &upstream())])
        .await
        .unwrap();
    let before = harness.shared.raft.stale().set.revision;
    let answer = harness
        .control()
        .apply(as_admin(request("u")))
        .await
        .unwrap();
    assert_eq!(answer.get_ref().applied[0].effect(), Effect::Created);
    assert_eq!(answer.get_ref().revision, 0);
    let refused = harness
        .control()
        .apply(as_admin(request("absent")))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(harness.shared.raft.stale().set.revision, before);
}

#[tokio::test]
async fn a_refusal_tells_every_problem_and_nothing_is_written() {
    let harness = Harness::start().await;
    let changes = vec![
        put(Kind::Upstream, "u", &upstream()),
        put(Kind::Route, "1", &json!({"id": 2, "uri": "/"})),
        Change {
            operation: Some(Operation::Put(b"{".to_vec())),
            ..put(Kind::Route, "3", &Value::Null)
        },
        put(Kind::Route, "4", &json!([])),
        put(Kind::Upstream, "u", &upstream()),
    ];
    let refused = harness.apply(changes).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let problems = refusal(&refused).unwrap().problems;
    let shown: Vec<_> = problems
        .iter()
        .map(|p| format!("{} {}", p.key.as_ref().unwrap().id, p.path))
        .collect();
    assert_eq!(shown, ["1 id", "3 ", "4 ", "u "]);
    assert!(
        refused.message().contains("routes/1: id: "),
        "{}",
        refused.message()
    );
    assert!(harness.shared.raft.stale().set.resources.is_empty());
}

#[tokio::test]
async fn validation_tells_the_problems_of_all_documents() {
    let harness = Harness::start().await;
    let changes = vec![
        put(Kind::Upstream, "u", &json!({"nodes": 5})),
        put(Kind::Route, "1", &json!({"uri": 5})),
    ];
    let refused = harness.apply(changes).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let problems = refusal(&refused).unwrap().problems;
    let named: Vec<_> = problems
        .iter()
        .filter_map(|problem| problem.key.as_ref().map(|key| key.id.as_str()))
        .collect();
    assert!(named.contains(&"u") && named.contains(&"1"), "{problems:?}");
}

#[tokio::test]
async fn unknown_fields_are_refused_or_told() {
    let harness = Harness::start().await;
    let mut document = upstream();
    document["checks"] = json!({"active": {"http_paht": "/"}});
    let request = |allow_unknown| ApplyRequest {
        changes: vec![put(Kind::Upstream, "u", &document)],
        allow_unknown,
        ..ApplyRequest::default()
    };
    let refused = harness
        .control()
        .apply(as_admin(request(false)))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("http_paht"), "{refused}");
    let allowed = harness
        .control()
        .apply(as_admin(request(true)))
        .await
        .unwrap();
    let warnings = &allowed.get_ref().warnings;
    assert!(
        warnings
            .iter()
            .any(|warning| warning.path.contains("http_paht")),
        "{warnings:?}"
    );
}

#[tokio::test]
async fn deletes_are_guarded() {
    let harness = Harness::start().await;
    let route = json!({"uri": "/a", "upstream_id": "u"});
    let both = vec![
        put(Kind::Upstream, "u", &upstream()),
        put(Kind::Route, "1", &route),
    ];
    harness.apply(both).await.unwrap();
    let used = harness
        .apply(vec![delete(Kind::Upstream, "u")])
        .await
        .unwrap_err();
    assert_eq!(used.code(), Code::FailedPrecondition);
    assert!(used.message().contains("still using it now"), "{used}");
    let absent = harness
        .apply(vec![delete(Kind::Route, "9")])
        .await
        .unwrap_err();
    assert_eq!(absent.code(), Code::NotFound);
    let both = vec![delete(Kind::Route, "1"), delete(Kind::Upstream, "u")];
    let (_, effects) = harness.apply(both).await.unwrap();
    assert_eq!(effects, [Effect::Deleted, Effect::Deleted]);
}

#[tokio::test]
async fn a_write_can_ask_that_nothing_was_changed_since() {
    let harness = Harness::start().await;
    let (first, _) = harness
        .apply(vec![put(Kind::Upstream, "u", &upstream())])
        .await
        .unwrap();
    let (second, _) = harness
        .apply(vec![put(Kind::Upstream, "v", &upstream())])
        .await
        .unwrap();
    let mut changed = upstream();
    changed["retries"] = json!(1);
    let request = |id: &str, unchanged_since| ApplyRequest {
        changes: vec![put(Kind::Upstream, id, &changed)],
        unchanged_since,
        ..ApplyRequest::default()
    };
    let stale = harness
        .control()
        .apply(as_admin(request("v", first)))
        .await
        .unwrap_err();
    assert_eq!(stale.code(), Code::Aborted);
    assert_eq!(refusal(&stale).unwrap().current_revision, second);
    harness
        .control()
        .apply(as_admin(request("u", first)))
        .await
        .unwrap();
    harness
        .control()
        .apply(as_admin(request("v", second)))
        .await
        .unwrap();
    harness
        .apply(vec![delete(Kind::Upstream, "v")])
        .await
        .unwrap();
    let gone = harness
        .control()
        .apply(as_admin(request("v", second)))
        .await
        .unwrap_err();
    assert_eq!(gone.code(), Code::Aborted);
}

#[tokio::test]
async fn a_list_comes_in_pages_of_one_revision() {
    let harness = Harness::start().await;
    let many: Vec<_> = (0..1200)
        .map(|n| put(Kind::Upstream, &format!("u{n:04}"), &upstream()))
        .collect();
    harness.apply(many).await.unwrap();
    let (revision, _) = harness
        .apply(vec![put(
            Kind::Service,
            "s",
            &json!({"upstream_id": "u0001"}),
        )])
        .await
        .unwrap();
    let list = async |kind: &str| {
        let request = ListRequest {
            kind: kind.to_owned(),
            ..ListRequest::default()
        };
        let pages = harness
            .control()
            .list(as_admin(request))
            .await
            .unwrap()
            .into_inner();
        pages.map(Result::unwrap).collect::<Vec<_>>().await
    };
    let pages = list("upstream").await;
    let sizes: Vec<_> = pages.iter().map(|page| page.resources.len()).collect();
    assert_eq!(sizes, [500, 500, 200]);
    assert!(
        pages
            .iter()
            .all(|page| page.revision == revision && page.total == 1200)
    );
    let ids: Vec<_> = pages
        .iter()
        .flat_map(|page| &page.resources)
        .map(|resource| resource.key.as_ref().unwrap().id.clone())
        .collect();
    assert!(ids.is_sorted() && ids.len() == 1200);

    let all = list("").await;
    assert_eq!(
        all.iter().map(|page| page.resources.len()).sum::<usize>(),
        1201
    );
    let none = list("route").await;
    assert_eq!(
        (none.len(), none[0].total, none[0].revision),
        (1, 0, revision)
    );
}

#[tokio::test]
async fn a_watch_tells_every_change_once_and_in_order() {
    let harness = Harness::start().await;
    let (first, _) = harness
        .apply(vec![put(Kind::Upstream, "u", &upstream())])
        .await
        .unwrap();
    let mut from_now = harness.watch(0).await;
    let (second, _) = harness
        .apply(vec![put(Kind::Upstream, "v", &upstream())])
        .await
        .unwrap();
    let change = next(&mut from_now).await;
    assert_eq!(
        (
            change.revision,
            change.author.as_str(),
            change.message.as_str()
        ),
        (second, "ann", "why")
    );
    assert_eq!(change.upserts[0].key.as_ref().unwrap().id, "v");
    assert_eq!(change.upserts[0].created, second);
    assert!(!change.full && change.at_ms > 0);

    let (third, _) = harness
        .apply(vec![delete(Kind::Upstream, "v")])
        .await
        .unwrap();
    assert_eq!(ids(&next(&mut from_now).await.removals), ["upstream/v"]);

    // From the past: what was changed again or removed since is named.
    let mut from_past = harness.watch(first).await;
    let change = next(&mut from_past).await;
    assert_eq!(change.revision, second);
    assert_eq!(ids(&change.superseded), ["upstream/v"]);
    assert_eq!(next(&mut from_past).await.revision, third);
}

#[tokio::test]
async fn a_watch_of_one_kind_tells_only_that() {
    let harness = Harness::start().await;
    let request = WatchRequest {
        kinds: vec!["service".to_owned()],
        from_revision: 0,
    };
    let mut stream = harness
        .control()
        .watch(as_admin(request))
        .await
        .unwrap()
        .into_inner();
    harness
        .apply(vec![put(Kind::Upstream, "u", &upstream())])
        .await
        .unwrap();
    let service = json!({"upstream_id": "u"});
    let (revision, _) = harness
        .apply(vec![put(Kind::Service, "s", &service)])
        .await
        .unwrap();
    assert_eq!(next(&mut stream).await.revision, revision);
    harness.shared.shutdown.cancel();
    let end = tokio::time::timeout(Duration::from_secs(20), stream.message()).await;
    assert!(
        matches!(end, Ok(Ok(None))),
        "the stream ends when the node stops"
    );
}

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
