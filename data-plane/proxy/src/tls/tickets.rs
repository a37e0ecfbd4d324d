//! Session tickets: clients that come back need no key exchange by certificate. The keys are shared
//! by all workers, and by all agents of a group once the control plane has told what to make them
//! of; until then they are of this process alone.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use rustls::server::ProducesTickets;

/// Seconds that a ticket is taken.
const LIFE: u64 = 24 * 60 * 60;
/// Seconds after which a process that has only its own secret makes a new one.
const RENEWED: u64 = 12 * 60 * 60;
/// Seconds after which a secret is used for new tickets: by then all agents have it.
const SETTLED: u64 = 60;
/// Seconds that the clocks of two agents may be apart.
const SKEW: u64 = 300;

const ID: usize = 8;
const TIME: usize = 8;
/// Id of the key, time of the ticket, nonce.
const HEAD: usize = ID + TIME + NONCE_LEN;

/// What the keys of one group are made of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret {
    /// Random.
    pub bytes: [u8; 32],
    /// When it was made, in seconds since the epoch.
    pub since: u64,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("since", &self.since)
            .finish_non_exhaustive()
    }
}

/// The secret of a group, from one of the cluster; `None` does not happen.
#[must_use]
pub fn of_group(secret: &[u8; 32], group: &str) -> Option<[u8; 32]> {
    derive(
        secret,
        &[b"weir session tickets of group ", group.as_bytes()],
    )
}

/// HKDF with SHA-256 (RFC 5869).
fn derive(secret: &[u8; 32], info: &[&[u8]]) -> Option<[u8; 32]> {
    let mut derived = [0; 32];
    let pseudorandom = Salt::new(HKDF_SHA256, b"weir").extract(secret);
    let expanded = pseudorandom.expand(info, HKDF_SHA256).ok()?;
    expanded.fill(&mut derived).ok()?;
    Some(derived)
}

struct Key {
    secret: Secret,
    id: [u8; ID],
    seal: LessSafeKey,
}

impl Key {
    fn new(secret: Secret) -> Option<Self> {
        let key = derive(&secret.bytes, &[b"key"])?;
        let id = derive(&secret.bytes, &[b"id"])?;
        Some(Self {
            secret,
            id: *id.first_chunk()?,
            seal: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).ok()?),
        })
    }
}

/// The keys, the newest first.
struct Ring {
    keys: Vec<Arc<Key>>,
    /// Whether the control plane gave them.
    shared: bool,
}

impl Ring {
    /// The newest key that the other agents have as well, or the oldest one.
    fn current(&self, now: u64) -> Option<&Arc<Key>> {
        let settled = |key: &&Arc<Key>| key.secret.since.saturating_add(SETTLED) <= now;
        self.keys.iter().find(settled).or_else(|| self.keys.last())
    }
}

/// Keys of session tickets. Time comes in with each call, in seconds since the epoch.
pub struct Tickets {
    ring: ArcSwap<Ring>,
    random: SystemRandom,
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickets").finish_non_exhaustive()
    }
}

impl Default for Tickets {
    /// With a random key, of this process alone.
    fn default() -> Self {
        let tickets = Self {
            ring: ArcSwap::from_pointee(Ring {
                keys: Vec::new(),
                shared: false,
            }),
            random: SystemRandom::new(),
        };
        tickets.renew(now());
        tickets
    }
}

impl Tickets {
    /// Takes the secrets that the control plane gave, the newest first; none is no change.
    pub fn share(&self, secrets: &[Secret]) {
        let ring = self.ring.load();
        let known = ring.keys.iter().map(|key| &key.secret);
        if secrets.is_empty() || (ring.shared && known.eq(secrets)) {
            return;
        }
        let keys = secrets.iter().filter_map(|secret| {
            let known = ring.keys.iter().find(|key| key.secret == *secret);
            let new = || Key::new(*secret).map(Arc::new);
            known.cloned().or_else(new)
        });
        self.ring.store(Arc::new(Ring {
            keys: keys.collect(),
            shared: true,
        }));
    }

    /// Makes a new key of this process, and keeps the one before it.
    fn renew(&self, now: u64) {
        let mut bytes = [0; 32];
        if self.random.fill(&mut bytes).is_err() {
            return;
        }
        let secret = Secret { bytes, since: now };
        let before = self.ring.load();
        let new = Key::new(secret).map(Arc::new);
        let kept = before.keys.first().cloned();
        let keys = new.into_iter().chain(kept).collect();
        self.ring.store(Arc::new(Ring {
            keys,
            shared: false,
        }));
    }

    /// Encrypts a session of the offer `offer`.
    fn encrypt(&self, plain: &[u8], offer: &[u8; 32], now: u64) -> Option<Vec<u8>> {
        let is_old = |key: &Arc<Key>| now.saturating_sub(key.secret.since) >= RENEWED;
        let own = |ring: &Ring| !ring.shared && ring.keys.first().is_none_or(is_old);
        if own(&self.ring.load()) {
            self.renew(now);
        }
        let ring = self.ring.load();
        let key = ring.current(now)?;
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).ok()?;
        let mut ticket = Vec::with_capacity(HEAD + plain.len() + AES_256_GCM.tag_len());
        ticket.extend_from_slice(&key.id);
        ticket.extend_from_slice(&now.to_be_bytes());
        ticket.extend_from_slice(&nonce);
        let mut sealed = plain.to_vec();
        let bound = bound(offer, now);
        key.seal
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(bound),
                &mut sealed,
            )
            .ok()?;
        ticket.append(&mut sealed);
        Some(ticket)
    }

    /// The session of a ticket that was made for the offer `offer`, by whichever agent.
    fn decrypt(&self, ticket: &[u8], offer: &[u8; 32], now: u64) -> Option<Vec<u8>> {
        let (id, rest) = ticket.split_first_chunk::<ID>()?;
        let (time, rest) = rest.split_first_chunk::<TIME>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let made = u64::from_be_bytes(*time);
        if made > now.saturating_add(SKEW) || now.saturating_sub(made) > LIFE {
            return None;
        }
        let ring = self.ring.load();
        let key = ring.keys.iter().find(|key| key.id == *id)?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let bound = Aad::from(bound(offer, made));
        let length = key
            .seal
            .open_in_place(nonce, bound, &mut sealed)
            .ok()?
            .len();
        sealed.truncate(length);
        Some(sealed)
    }
}

/// What a ticket is bound to beside its content.
fn bound(offer: &[u8; 32], made: u64) -> [u8; 40] {
    let mut bound = [0; 40];
    let (first, second) = bound.split_at_mut(32);
    first.copy_from_slice(offer);
    second.copy_from_slice(&made.to_be_bytes());
    bound
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// The tickets of one offer: those of another one, or of what it was before a change, are unknown.
#[derive(Debug)]
pub(super) struct OfferTickets {
    tickets: Arc<Tickets>,
    /// The same for equal certificates and versions.
    offer: [u8; 32],
}

impl OfferTickets {
    pub(super) fn new(tickets: Arc<Tickets>, offer: [u8; 32]) -> Self {
        Self { tickets, offer }
    }
}

impl ProducesTickets for OfferTickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        u32::try_from(LIFE).unwrap_or(u32::MAX)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.tickets.encrypt(plain, &self.offer, now())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        self.tickets.decrypt(ticket, &self.offer, now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;
    const START: u64 = 1_000_000_000;
    const OFFER: [u8; 32] = [9; 32];

    fn shared(secrets: &[(u8, u64)]) -> Tickets {
        let tickets = Tickets::default();
        let secret = |(byte, since): &(u8, u64)| Secret {
            bytes: [*byte; 32],
            since: *since,
        };
        tickets.share(&secrets.iter().map(secret).collect::<Vec<_>>());
        tickets
    }

    #[test]
    fn agents_with_one_secret_read_each_others_tickets_and_others_do_not() {
        let (one, two) = (shared(&[(1, START)]), shared(&[(1, START)]));
        let now = START + HOUR;
        let ticket = one.encrypt(b"session", &OFFER, now).unwrap();
        let read = |by: &Tickets| by.decrypt(&ticket, &OFFER, now);
        assert_eq!(read(&two).unwrap(), b"session");
        assert_eq!(read(&shared(&[(2, START)])), None);
        assert_eq!(read(&Tickets::default()), None);
        assert_eq!(two.decrypt(&ticket, &[8; 32], now), None);
    }

    #[test]
    fn groups_have_secrets_that_do_not_tell_each_other() {
        let of = |group| of_group(&[5; 32], group).unwrap();
        assert_ne!(of("a"), of("b"));
        assert_eq!(of("a"), of("a"));
        assert_ne!(of(""), [5; 32]);
    }

    #[test]
    fn a_ticket_is_taken_for_its_life_and_not_from_the_future() {
        let tickets = shared(&[(1, START)]);
        let ticket = tickets.encrypt(b"s", &OFFER, START + HOUR).unwrap();
        let at = |now| tickets.decrypt(&ticket, &OFFER, now).is_some();
        assert!(at(START + HOUR + LIFE));
        assert!(!at(START + HOUR + LIFE + 1));
        assert!(at(START + HOUR - SKEW));
        assert!(!at(START + HOUR - SKEW - 1));
    }

    #[test]
    fn a_changed_byte_is_found() {
        let tickets = shared(&[(1, START)]);
        let ticket = tickets.encrypt(b"session", &OFFER, START).unwrap();
        for position in 0..ticket.len() {
            let mut changed = ticket.clone();
            changed[position] ^= 1;
            assert_eq!(tickets.decrypt(&changed, &OFFER, START), None, "{position}");
        }
        for length in 0..ticket.len() {
            assert_eq!(tickets.decrypt(&ticket[..length], &OFFER, START), None);
        }
    }

    #[test]
    fn a_new_secret_is_used_when_all_have_it_and_old_ones_are_read() {
        let before = shared(&[(1, START)]);
        let made = START + 12 * HOUR;
        let after = shared(&[(2, made), (1, START)]);
        let early = after.encrypt(b"s", &OFFER, made + 1).unwrap();
        assert!(before.decrypt(&early, &OFFER, made + 1).is_some());
        let late = after.encrypt(b"s", &OFFER, made + SETTLED).unwrap();
        assert!(before.decrypt(&late, &OFFER, made + SETTLED).is_none());
        let old = before.encrypt(b"s", &OFFER, made).unwrap();
        assert!(after.decrypt(&old, &OFFER, made + HOUR).is_some());
    }

    #[test]
    fn a_process_alone_renews_its_key_and_reads_the_one_before() {
        let tickets = Tickets::default();
        let start = now();
        let renewed = start + RENEWED + 1;
        let old = tickets.encrypt(b"s", &OFFER, start).unwrap();
        tickets.encrypt(b"s", &OFFER, renewed).unwrap();
        let later = renewed + HOUR;
        let new = tickets.encrypt(b"s", &OFFER, later).unwrap();
        assert_ne!(old[..ID], new[..ID]);
        assert!(tickets.decrypt(&old, &OFFER, later).is_some());
        assert!(tickets.decrypt(&new, &OFFER, later).is_some());
    }

    #[test]
    fn secrets_are_not_printed() {
        let secret = Secret {
            bytes: [77; 32],
            since: 1,
        };
        assert!(!format!("{secret:?}").contains("77"));
    }
}
