//! The scenarios.

use std::time::Duration;

use tokio::time::sleep;

use super::{Backend, Fault, Instance, Proxy, Watch};
use crate::ErrorKind;

/// What anything may take on a busy machine beyond the registry's own time.
const SLACK: Duration = Duration::from_secs(20);
/// How long what must not happen is waited for.
const QUIET: Duration = Duration::from_millis(600);

/// Runs every scenario, each with services of its own.
pub async fn run(backend: &dyn Backend) {
    changes_are_followed(backend).await;
    weights_are_taken(backend).await;
    unknown_services_are_empty_and_appear_later(backend).await;
    refusals_are_no_emptiness(backend).await;
    faults_keep_what_is_known(backend).await;
}

fn patience(backend: &dyn Backend) -> Duration {
    backend.patience() + SLACK
}

/// Appears, grows, shrinks, becomes unhealthy and healthy, disappears.
async fn changes_are_followed(backend: &dyn Backend) {
    let service = "weir-changes";
    let [one, two, three] = [1, 2, 3].map(|n| Instance::new(&format!("127.0.0.{n}"), 8000 + n));
    let limit = patience(backend);
    backend.register(service, &one).await;
    let registry = backend.registry(backend.address());
    let watch = Watch::start(&registry, &backend.upstream(service));
    watch.sees(&["127.0.0.1:8001"], limit).await;
    backend.register(service, &two).await;
    watch
        .sees(&["127.0.0.1:8001", "127.0.0.2:8002"], limit)
        .await;
    backend.register(service, &three).await;
    backend.deregister(service, &one).await;
    watch
        .sees(&["127.0.0.2:8002", "127.0.0.3:8003"], limit)
        .await;
    if backend.set_healthy(service, &two, false).await {
        watch.sees(&["127.0.0.3:8003"], limit).await;
        backend.set_healthy(service, &two, true).await;
        watch
            .sees(&["127.0.0.2:8002", "127.0.0.3:8003"], limit)
            .await;
    }
    backend.deregister(service, &two).await;
    backend.deregister(service, &three).await;
    watch.sees(&[], limit).await;
    assert_eq!(watch.state().failures, 0, "{:?}", watch.state());
}

async fn weights_are_taken(backend: &dyn Backend) {
    if !backend.has_weights() {
        return;
    }
    let service = "weir-weights";
    let limit = patience(backend);
    let mut heavy = Instance::new("127.0.0.1", 8001);
    let light = Instance::new("127.0.0.2", 8002);
    heavy.weight = 5;
    backend.register(service, &heavy).await;
    backend.register(service, &light).await;
    let registry = backend.registry(backend.address());
    let watch = Watch::start(&registry, &backend.upstream(service));
    let ratio = |state: &super::watch::State| {
        let set = state.seen.as_ref().map(|seen| seen.set.endpoints());
        match set {
            Some([first, second]) if second.weight > 0 => first.weight / second.weight,
            _ => 0,
        }
    };
    watch
        .until("5 to 1", limit, |state| ratio(state) == 5)
        .await;
    heavy.weight = 2;
    backend.register(service, &heavy).await;
    watch
        .until("2 to 1", limit, |state| ratio(state) == 2)
        .await;
    backend.deregister(service, &heavy).await;
    backend.deregister(service, &light).await;
}

async fn unknown_services_are_empty_and_appear_later(backend: &dyn Backend) {
    let service = "weir-later";
    let limit = patience(backend);
    let registry = backend.registry(backend.address());
    let watch = Watch::start(&registry, &backend.upstream(service));
    watch
        .until("an empty report with a note", limit, |state| {
            let seen = state.seen.as_ref();
            seen.is_some_and(|seen| seen.set.is_empty() && seen.note.is_some())
        })
        .await;
    let instance = Instance::new("127.0.0.1", 8001);
    backend.register(service, &instance).await;
    watch.sees(&["127.0.0.1:8001"], limit).await;
    backend.deregister(service, &instance).await;
}

/// Wrong credentials, wrong namespaces: an error of its own kind, never a set.
async fn refusals_are_no_emptiness(backend: &dyn Backend) {
    for refusal in backend.refusals().await {
        let watch = Watch::start(&refusal.registry, &refusal.upstream);
        let what = format!("{}: {}", refusal.what, refusal.kind.as_str());
        watch
            .until(&what, patience(backend), |state| {
                let error = state.error.as_ref();
                error.is_some_and(|error| error.kind == refusal.kind)
            })
            .await;
        assert!(watch.state().seen.is_none(), "{what}: {:?}", watch.state());
    }
}

/// Down, hanging, cut short, garbage: an error, nothing forgotten, and all well afterwards.
async fn faults_keep_what_is_known(backend: &dyn Backend) {
    let service = "weir-faults";
    let limit = patience(backend);
    let [one, two] = [1, 2].map(|n| Instance::new(&format!("127.0.0.{n}"), 8000 + n));
    let proxy = Proxy::start(backend.address()).await;
    let registry = backend.through(&proxy).await;
    backend.register(service, &one).await;
    let watch = Watch::start(&registry, &backend.upstream(service));
    watch.sees(&["127.0.0.1:8001"], limit).await;
    for fault in backend.faults() {
        let before = watch.state();
        proxy.set(fault);
        // What changes meanwhile is seen afterwards.
        backend.register(service, &two).await;
        watch
            .until(&format!("{fault:?} is an error"), limit, |state| {
                state.failures > before.failures && state.error.is_some()
            })
            .await;
        sleep(QUIET).await;
        let state = watch.state();
        assert_eq!(
            state.endpoints(),
            ["127.0.0.1:8001"],
            "{fault:?}: {state:?}"
        );
        let kind = state.error.as_ref().map(|error| error.kind);
        assert!(
            !matches!(kind, Some(ErrorKind::Refused | ErrorKind::UnknownNamespace)),
            "{fault:?}: {state:?}"
        );
        let attempts = state.failures - before.failures;
        assert!(
            attempts < 100,
            "{fault:?}: {attempts} attempts are a tight loop"
        );
        proxy.set(Fault::None);
        watch
            .sees(&["127.0.0.1:8001", "127.0.0.2:8002"], limit)
            .await;
        backend.deregister(service, &two).await;
        watch.sees(&["127.0.0.1:8001"], limit).await;
    }
    backend.deregister(service, &one).await;
}
