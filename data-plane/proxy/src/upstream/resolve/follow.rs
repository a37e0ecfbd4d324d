//! Keeps the nodes of the published runtime at the addresses that their names have: when an answer
//! changes, the upstreams that use the name are compiled anew, beside any revision. It is what
//! endpoints of registries go through as well, only that the agent asks by itself.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::spawn_blocking;
use weir_model::endpoint::{Endpoint, EndpointKey, EndpointSet, Endpoints, Lookup};

use super::{Addresses, Resolver, Source};
use crate::runtime::Runtime;
use crate::worker::published::Published;

/// How often names are marked as used, and names without an answer are asked for again.
const LOOK: Duration = Duration::from_secs(1);
/// Least time between two compilations: changes of many names fall together.
const PAUSE: Duration = Duration::from_millis(50);

/// Follows the names of whatever is published, for as long as somebody publishes.
pub async fn follow(resolver: Resolver, published: Weak<Published>) {
    let Some(mut newest) = published.upgrade().map(|published| published.subscribe()) else {
        return;
    };
    let mut answers = resolver.changes();
    let mut follower = Follower {
        resolver,
        known: HashMap::new(),
    };
    loop {
        newest.mark_unchanged();
        answers.mark_unchanged();
        let runtime = published
            .upgrade()
            .and_then(|published| published.runtime());
        if let Some(runtime) = runtime
            && let Some(addresses) = follower.look(&runtime)
        {
            renew(runtime, addresses, &published).await;
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        tokio::select! {
            changed = newest.changed() => if changed.is_err() {
                return;
            },
            _ = answers.changed() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Publishes the same with these addresses, unless something newer has been published meanwhile.
async fn renew(runtime: Arc<Runtime>, addresses: Endpoints, published: &Weak<Published>) {
    let before = Arc::clone(&runtime);
    // Compiling takes longer than a task may hold its thread.
    let compiled = spawn_blocking(move || runtime.at_addresses(addresses)).await;
    match (compiled, published.upgrade()) {
        (Ok(renewed), Some(published)) => {
            published.replace(&before, Arc::new(renewed));
        }
        (Err(error), _) => tracing::error!(%error, "new addresses of names cannot be used"),
        (_, None) => {}
    }
}

struct Follower {
    resolver: Resolver,
    /// The answers of the last look, in both forms.
    known: HashMap<EndpointKey, (Addresses, Arc<EndpointSet>)>,
}

impl Follower {
    /// The addresses of the names of `runtime`, when they are others than it has.
    fn look(&mut self, runtime: &Runtime) -> Option<Endpoints> {
        let mut known = HashMap::new();
        let mut found = Endpoints::default();
        for name in runtime.names() {
            let key = name.key();
            let set = match self.answer(name) {
                Some(addresses) => {
                    let set = self.set(&key, &addresses);
                    known.insert(key.clone(), (addresses, Arc::clone(&set)));
                    set
                }
                // It is being asked for.
                None => match runtime.addresses().get(&key) {
                    Some(before) => Arc::clone(before),
                    None => continue,
                },
            };
            found.insert(key, set);
        }
        self.known = known;
        (found != *runtime.addresses()).then_some(found)
    }

    /// The last answer, which is empty when the name does not resolve.
    fn answer(&self, name: &Lookup) -> Option<Addresses> {
        let source = Arc::new(Source::of_lookup(name));
        let receiver =
            self.resolver
                .subscribe(&name.service_name, &source, std::time::Instant::now());
        let answer = receiver.borrow();
        answer.clone()
    }

    fn set(&self, key: &EndpointKey, addresses: &Addresses) -> Arc<EndpointSet> {
        if let Some((same, set)) = self.known.get(key)
            && Arc::ptr_eq(same, addresses)
        {
            return Arc::clone(set);
        }
        let endpoints = addresses.iter();
        let endpoints = endpoints.map(|address| Endpoint::new(address.to_string(), None));
        let set = EndpointSet::new(endpoints).inspect_err(|error| {
            tracing::warn!(name = %key, %error, "addresses of a name are not used");
        });
        Arc::new(set.unwrap_or_default())
    }
}
