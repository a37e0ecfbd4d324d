//! How many connections each client address has. An address without one takes no room, so that the
//! table is never larger than the number of open connections.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;

/// Parts of the table, each with a lock of its own, held for one look-up.
const PARTS: usize = 64;

/// What counts as one client: an IPv4 address, or the /64 of an IPv6 address, which is what one
/// subscriber is given at least (RFC 6177).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(u64);

impl Key {
    /// The key of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(u64::from(u32::from(address))),
            // The upper half; none of those in use begins with 32 zeroes.
            IpAddr::V6(address) => Self((u128::from(address) >> 64) as u64),
        }
    }
}

/// The table.
#[derive(Debug)]
pub struct Addresses {
    parts: Vec<Mutex<HashMap<Key, u32>>>,
    /// Random, so that nobody can aim at one part.
    hasher: RandomState,
}

impl Default for Addresses {
    fn default() -> Self {
        Self {
            parts: (0..PARTS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::default(),
        }
    }
}

impl Addresses {
    /// Counts one more, unless there are `most` already; says whether it did.
    pub fn enter(&self, key: Key, most: u64) -> bool {
        let Some(mut part) = self.part(key) else {
            return true;
        };
        let count = part.entry(key).or_default();
        let fits = u64::from(*count) < most;
        if fits {
            *count = count.saturating_add(1);
        } else if *count == 0 {
            part.remove(&key);
        }
        fits
    }

    /// Counts one less.
    pub fn leave(&self, key: Key) {
        let Some(mut part) = self.part(key) else {
            return;
        };
        if let Some(count) = part.get_mut(&key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                part.remove(&key);
            }
        }
        if part.is_empty() {
            // What a flood of addresses took.
            part.shrink_to(64);
        }
    }

    /// Addresses that have connections.
    #[must_use]
    pub fn len(&self) -> usize {
        let parts = self.parts.iter();
        parts.map(|part| lock(part).len()).sum()
    }

    /// Whether no address has a connection.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn part(&self, key: Key) -> Option<MutexGuard<'_, HashMap<Key, u32>>> {
        let hash = self.hasher.hash_one(key);
        let part = self.parts.get((hash % PARTS as u64) as usize)?;
        Some(lock(part))
    }
}

fn lock(part: &Mutex<HashMap<Key, u32>>) -> MutexGuard<'_, HashMap<Key, u32>> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key::of(text.parse().unwrap())
    }

    #[test]
    fn a_subscriber_of_ipv6_is_one_client() {
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:10.0.0.1"), key("10.0.0.1"));
        assert_ne!(key("10.0.0.1"), key("10.0.0.2"));
    }

    #[test]
    fn counts_are_bounded_and_take_no_room_when_they_are_back() {
        let addresses = Addresses::default();
        let (one, other) = (key("10.0.0.1"), key("10.0.0.2"));
        assert!(addresses.enter(one, 2));
        assert!(addresses.enter(one, 2));
        assert!(!addresses.enter(one, 2));
        assert!(addresses.enter(other, 2));
        assert_eq!(addresses.len(), 2);
        addresses.leave(one);
        assert!(addresses.enter(one, 2));
        addresses.leave(one);
        addresses.leave(one);
        addresses.leave(other);
        assert!(addresses.is_empty());
        assert!(!addresses.enter(one, 0));
        assert!(addresses.is_empty());
    }

    #[test]
    fn threads_together_never_pass_the_bound() {
        let addresses = Addresses::default();
        let one = key("10.0.0.1");
        let entered: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..100).filter(|_| addresses.enter(one, 150)).count()))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!(entered, 150);
    }
}
