//! The certificates of one runtime, by server name.

use std::collections::HashMap;
use std::sync::Arc;

use weir_model::ssl::{Ssl, SslRole};
use weir_model::{Key, Problem, Revision};

use super::offer::Offer;
use super::terms::Terms;

/// What is offered to clients. Built with the runtime, looked up in each handshake.
#[derive(Debug, Default)]
pub struct Certificates {
    exact: HashMap<String, Arc<Offer>>,
    /// By the part after `*.`; a wildcard stands for one label.
    wildcard: HashMap<String, Arc<Offer>>,
    any: Option<Arc<Offer>>,
    fallback: Option<String>,
    offers: HashMap<Key, Arc<Offer>>,
    mutual: bool,
}

impl Certificates {
    /// Builds from the ssl objects; those that are off or not for clients are passed over, and of
    /// two that have the same name the first one counts. An object that did not change since
    /// `previous` is reused. What cannot be used is reported, and keeps its last good form.
    pub fn build<'s>(
        objects: impl IntoIterator<Item = (&'s Key, Revision, &'s Ssl)>,
        previous: Option<&Certificates>,
        terms: &Terms,
    ) -> (Self, Vec<(Key, Problem)>) {
        let provider = weir_net::tls::provider();
        let mut built = Self {
            fallback: terms.fallback_sni.clone(),
            ..Self::default()
        };
        let mut problems = Vec::new();
        for (key, modified, ssl) in objects {
            if !ssl.enabled || ssl.role != SslRole::Server {
                continue;
            }
            let known = previous.and_then(|previous| previous.offers.get(key));
            let offer = match known.filter(|known| known.modified == modified) {
                Some(known) => Arc::clone(known),
                None => match Offer::build(ssl, modified, &provider, terms) {
                    Ok(offer) => {
                        if let Some(known) = known {
                            offer.inherit(known);
                        }
                        Arc::new(offer)
                    }
                    Err(problem) => {
                        problems.push((key.clone(), problem));
                        match known {
                            Some(known) => Arc::clone(known),
                            None => continue,
                        }
                    }
                },
            };
            built.insert(key, offer);
        }
        (built, problems)
    }

    fn insert(&mut self, key: &Key, offer: Arc<Offer>) {
        self.mutual |= offer.mutual.is_some();
        for name in &offer.names {
            let offer = Arc::clone(&offer);
            if name == "*" {
                self.any.get_or_insert(offer);
            } else if let Some(parent) = name.strip_prefix("*.") {
                self.wildcard.entry(parent.to_owned()).or_insert(offer);
            } else {
                self.exact.entry(name.clone()).or_insert(offer);
            }
        }
        self.offers.insert(key.clone(), offer);
    }

    /// What to offer for a server name: the exact one before the wildcard of its parent.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Arc<Offer>> {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        self.exact
            .get(&name)
            .or_else(|| {
                let (_, parent) = name.split_once('.')?;
                self.wildcard.get(parent)
            })
            .or(self.any.as_ref())
    }

    /// The name of clients that name none.
    #[must_use]
    pub fn fallback(&self) -> Option<&str> {
        self.fallback.as_deref()
    }

    /// Whether any object checks client certificates.
    #[must_use]
    pub fn has_mutual(&self) -> bool {
        self.mutual
    }

    /// The objects whose certificates go with what a responder said.
    pub(super) fn stapled(&self) -> impl Iterator<Item = &Arc<Offer>> {
        self.offers
            .values()
            .filter(|offer| offer.chains().iter().any(|chain| chain.subject.is_some()))
    }

    /// Names that are offered, ordered.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let offers = self.offers.values();
        let mut names: Vec<&str> = offers
            .flat_map(|offer| offer.names.iter().map(String::as_str))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}
