//! From a name to its endpoints: which records are asked for, and what they mean.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use hickory_resolver::proto::rr::Name;
use weir_model::endpoint::Endpoint;

use super::ask::{Ask, Data, Kind, Service};
use crate::{Error, ErrorKind};

/// Names that one SRV answer may lead to: each is a question of its own.
const MAX_TARGETS: usize = 1000;

/// Types that are asked for at once, in the order in which they are tried.
pub(super) type Steps = Vec<Vec<Kind>>;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) endpoints: Vec<Endpoint>,
    /// How long it holds: as long as the record that ends first.
    pub(super) life: Duration,
    /// Which step it was.
    pub(super) step: usize,
}

/// The steps of a document: as written, else services, then addresses of both families, then
/// aliases. Also, whether the step that worked last is tried first.
pub(super) fn steps(order: &[String]) -> (Steps, bool) {
    if order.is_empty() {
        let usual = vec![
            vec![Kind::Srv],
            vec![Kind::A, Kind::Aaaa],
            vec![Kind::Cname],
        ];
        return (usual, true);
    }
    let types = order.iter().filter_map(|word| match word.as_str() {
        "SRV" => Some(vec![Kind::Srv]),
        "A" => Some(vec![Kind::A]),
        "AAAA" => Some(vec![Kind::Aaaa]),
        "CNAME" => Some(vec![Kind::Cname]),
        _ => None,
    });
    let last_first = order.first().is_some_and(|word| word == "last");
    (types.collect(), last_first)
}

/// Tries each of `names` with `steps`, the step `first` before the others; `None` when there are no
/// records. `port` wins over those of services.
pub(super) async fn find(
    asker: &impl Ask,
    names: &[Name],
    port: Option<u16>,
    steps: &Steps,
    first: Option<usize>,
) -> Result<Option<Found>, Error> {
    let others = (0..steps.len()).filter(|step| Some(*step) != first);
    let order: Vec<usize> = first.into_iter().chain(others).collect();
    for name in names {
        for at in &order {
            let Some(kinds) = steps.get(*at) else {
                continue;
            };
            let found = step(asker, name, port, kinds, steps).await?;
            if let Some((endpoints, life)) = found {
                return Ok(Some(Found {
                    endpoints,
                    life,
                    step: *at,
                }));
            }
        }
    }
    Ok(None)
}

type Ends = Option<(Vec<Endpoint>, Duration)>;

/// Endpoints by the records of these types.
async fn step(
    asker: &impl Ask,
    name: &Name,
    port: Option<u16>,
    kinds: &[Kind],
    steps: &Steps,
) -> Result<Ends, Error> {
    let mut found: Ends = None;
    for kind in kinds {
        let answer = match asker.ask(name, *kind).await {
            Ok(answer) => answer,
            // Some servers fail for one family of addresses, and always.
            Err(error) if found.is_some() && is_answer(error.kind) => None,
            Err(error) => return Err(error),
        };
        let Some(answer) = answer else {
            continue;
        };
        let (mut all, mut life) = found.unwrap_or_else(|| (Vec::new(), answer.life));
        life = life.min(answer.life);
        let mut services = Vec::new();
        for data in answer.data {
            match data {
                Data::Address(address) => all.push(Endpoint::new(address.to_string(), port)),
                Data::Service(service) => services.push(service),
                Data::Alias(alias) => {
                    let rest: Steps = steps
                        .iter()
                        .filter(|kinds| !kinds.contains(&Kind::Cname))
                        .cloned()
                        .collect();
                    // An alias of an alias is followed by the resolver.
                    let found = boxed(asker, alias, port, rest).await?;
                    if let Some(found) = found {
                        life = life.min(found.life);
                        all.extend(found.endpoints);
                    }
                }
            }
        }
        life = life.min(targets(asker, services, port, &mut all).await?);
        found = Some((all, life));
    }
    Ok(found)
}

fn boxed<'a>(
    asker: &'a impl Ask,
    name: Name,
    port: Option<u16>,
    steps: Steps,
) -> BoxFuture<'a, Result<Option<Found>, Error>> {
    async move { find(asker, &[name], port, &steps, None).await }.boxed()
}

const fn is_answer(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Failed | ErrorKind::Refused)
}

/// The endpoints of services; says how long the addresses of their targets hold.
async fn targets(
    asker: &impl Ask,
    services: Vec<Service>,
    port: Option<u16>,
    all: &mut Vec<Endpoint>,
) -> Result<Duration, Error> {
    if services.len() > MAX_TARGETS {
        let message = format!(
            "expected at most {MAX_TARGETS} services of one name, got {}",
            services.len()
        );
        return Err(Error::at("", ErrorKind::TooLarge, message));
    }
    let mut life = Duration::MAX;
    for service in services
        .into_iter()
        .filter(|service| !service.target.is_root())
    {
        let addresses = vec![vec![Kind::A, Kind::Aaaa]];
        let mut target = service.target.clone();
        target.set_fqdn(true);
        let found = boxed(asker, target, None, addresses).await?;
        // A target without address is no node; the others are.
        if let Some(found) = found {
            life = life.min(found.life);
            spread(&service, port, found.endpoints, all);
        }
    }
    Ok(life)
}

/// A service whose target has several addresses shares its weight among them. Weight 0 is the
/// smallest that there is, port 0 that of the scheme, and a smaller priority comes first.
fn spread(service: &Service, port: Option<u16>, addresses: Vec<Endpoint>, all: &mut Vec<Endpoint>) {
    let count = u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let weight = u32::from(service.weight.max(1));
    let (share, more) = (weight / count, weight % count);
    let own = Some(service.port).filter(|port| *port > 0);
    for (at, address) in (0_u32..).zip(addresses) {
        all.push(Endpoint {
            weight: (share + u32::from(at < more)).max(1),
            priority: -i32::from(service.priority),
            ..Endpoint::new(address.host, port.or(own))
        });
    }
}

#[cfg(test)]
mod tests;
