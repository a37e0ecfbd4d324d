//! A persistent hash table: a clone shares everything, and a change copies one small page.
//!
//! Linear hashing: pages split one at a time as the table grows, so that no insertion rebuilds it.
//! A page is one slice of slots, probed linearly: a lookup touches the list of pages, which is
//! small, and mostly one slot.

use std::sync::Arc;

/// Entries per page at which another page is added, on average.
const PER_PAGE: usize = 24;
/// Smallest page that is not empty.
const SMALLEST: usize = 4;

/// A hash table of values that know their keys. Hashes are the caller's: 64 good bits.
#[derive(Debug, Clone)]
pub(crate) struct Table<T> {
    pages: Arc<Vec<Page<T>>>,
    len: usize,
}

#[derive(Debug, Clone)]
struct Page<T> {
    /// At most three quarters filled.
    slots: Arc<[Option<Slot<T>>]>,
    used: usize,
}

/// A slot begins where a line of the processor's cache does: one of a path node is one line.
#[derive(Debug, Clone)]
#[repr(align(64))]
struct Slot<T> {
    hash: u64,
    value: T,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            pages: Arc::new(vec![Page::default()]),
            len: 0,
        }
    }
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self {
            slots: Arc::from([]),
            used: 0,
        }
    }
}

impl<T> Table<T> {
    /// The value under `hash` that `is` the wanted one.
    #[inline]
    pub(crate) fn get(&self, hash: u64, is: impl Fn(&T) -> bool) -> Option<&T> {
        let page = self.pages.get(page_of(hash, self.pages.len()))?;
        let at = page.find(hash, is)?;
        page.slots.get(at)?.as_ref().map(|slot| &slot.value)
    }

    /// All values, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let slots = self.pages.iter().flat_map(|page| page.slots.iter());
        slots.flatten().map(|slot| &slot.value)
    }
}

impl<T: Clone> Table<T> {
    /// The value under `hash` that `is` the wanted one, to be changed.
    pub(crate) fn get_mut(&mut self, hash: u64, is: impl Fn(&T) -> bool) -> Option<&mut T> {
        let number = page_of(hash, self.pages.len());
        let at = self.pages.get(number)?.find(hash, is)?;
        let page = Arc::make_mut(&mut self.pages).get_mut(number)?;
        let slot = Arc::make_mut(&mut page.slots).get_mut(at)?;
        slot.as_mut().map(|slot| &mut slot.value)
    }

    /// Adds a value that is not there yet.
    pub(crate) fn insert(&mut self, hash: u64, value: T) {
        let pages = Arc::make_mut(&mut self.pages);
        if self.len >= pages.len() * PER_PAGE {
            split(pages);
        }
        let number = page_of(hash, pages.len());
        if let Some(page) = pages.get_mut(number) {
            page.insert(Slot { hash, value });
            self.len += 1;
        }
    }

    /// Takes a value out.
    pub(crate) fn remove(&mut self, hash: u64, is: impl Fn(&T) -> bool) -> Option<T> {
        let number = page_of(hash, self.pages.len());
        let at = self.pages.get(number)?.find(hash, is)?;
        let page = Arc::make_mut(&mut self.pages).get_mut(number)?;
        let removed = page.slots.get(at)?.as_ref()?.value.clone();
        let others = page.slots.iter().enumerate();
        let others = others.filter_map(|(other, slot)| slot.clone().filter(|_| other != at));
        *page = Page::of(others.collect());
        self.len -= 1;
        Some(removed)
    }
}

/// The page of a hash among `count` pages.
#[inline]
fn page_of(hash: u64, count: usize) -> usize {
    let mask = count.next_power_of_two() - 1;
    // The low bits are as good as any on a machine with smaller words.
    let number = hash as usize & mask;
    if number < count {
        number
    } else {
        number & (mask >> 1)
    }
}

/// Adds a page, which takes its share of the one that stood for it.
fn split<T: Clone>(pages: &mut Vec<Page<T>>) {
    let new = pages.len();
    pages.push(Page::default());
    let old = new & ((new + 1).next_power_of_two() / 2 - 1);
    let Some(page) = pages.get_mut(old) else {
        return;
    };
    let slots: Vec<Slot<T>> = page.slots.iter().flatten().cloned().collect();
    let moves = |slot: &Slot<T>| page_of(slot.hash, new + 1) == new;
    let (moved, kept) = slots.into_iter().partition(moves);
    *page = Page::of(kept);
    if let Some(page) = pages.last_mut() {
        *page = Page::of(moved);
    }
}

impl<T> Page<T> {
    /// The first slot to look at; the bits that choose the page say nothing inside it.
    #[inline]
    fn start(&self, hash: u64) -> usize {
        (((hash >> 32) * self.slots.len() as u64) >> 32) as usize
    }

    #[inline]
    fn find(&self, hash: u64, is: impl Fn(&T) -> bool) -> Option<usize> {
        let mut at = self.start(hash);
        loop {
            let slot = self.slots.get(at)?.as_ref()?;
            if slot.hash == hash && is(&slot.value) {
                return Some(at);
            }
            at += 1;
            if at == self.slots.len() {
                at = 0;
            }
        }
    }
}

impl<T: Clone> Page<T> {
    fn of(slots: Vec<Slot<T>>) -> Self {
        let mut page = Self::with_room(slots.len());
        for slot in slots {
            page.place(slot);
        }
        page
    }

    fn with_room(entries: usize) -> Self {
        if entries == 0 {
            return Self::default();
        }
        // Room for about every fourth entry more.
        let size = (entries * 5 / 3 + 1).max(SMALLEST);
        Self {
            slots: std::iter::repeat_with(|| None).take(size).collect(),
            used: 0,
        }
    }

    fn insert(&mut self, slot: Slot<T>) {
        if (self.used + 1) * 4 > self.slots.len() * 3 {
            let slots = self.slots.iter().flatten().cloned();
            *self = Self::of(slots.chain([slot]).collect());
        } else {
            self.place(slot);
        }
    }

    /// Puts a slot into the first free place; there is one.
    fn place(&mut self, slot: Slot<T>) {
        let start = self.start(slot.hash);
        let slots = Arc::make_mut(&mut self.slots);
        let (front, back) = slots.split_at_mut(start.min(slots.len()));
        let mut places = back.iter_mut().chain(front);
        if let Some(free) = places.find(|place| place.is_none()) {
            *free = Some(slot);
            self.used += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn hash(key: u16, bad: bool) -> u64 {
        // A bad hash lets many keys meet in one place.
        let key = u64::from(if bad { key % 7 } else { key });
        key.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(31)
    }

    #[test]
    fn a_path_node_is_one_line_of_the_cache() {
        assert_eq!(size_of::<Option<Slot<crate::router::paths::Node>>>(), 64);
    }

    proptest! {
        #[test]
        fn it_holds_what_a_map_holds_and_its_clones_stay_as_they_were(
            steps in prop::collection::vec((0..300_u16, prop::option::of(any::<u8>())), 1..600),
            bad in any::<bool>(),
        ) {
            let mut table: Table<(u16, u8)> = Table::default();
            let mut map = BTreeMap::new();
            let mut before = (table.clone(), map.clone());
            for (number, (key, value)) in steps.into_iter().enumerate() {
                let hash = hash(key, bad);
                let is = |entry: &(u16, u8)| entry.0 == key;
                match value {
                    None => {
                        let removed = table.remove(hash, is);
                        prop_assert_eq!(removed.map(|entry| entry.1), map.remove(&key));
                    }
                    Some(value) => {
                        match table.get_mut(hash, is) {
                            Some(entry) => entry.1 = value,
                            None => table.insert(hash, (key, value)),
                        }
                        map.insert(key, value);
                    }
                }
                if number == 100 {
                    before = (table.clone(), map.clone());
                }
            }
            for (table, map) in [(&table, &map), (&before.0, &before.1)] {
                let all: BTreeMap<u16, u8> = table.iter().copied().collect();
                prop_assert_eq!(&all, map);
                prop_assert_eq!(table.iter().count(), map.len());
                for key in 0..300 {
                    let found = table.get(hash(key, bad), |entry| entry.0 == key);
                    prop_assert_eq!(found.map(|entry| &entry.1), map.get(&key));
                }
            }
        }
    }

    #[test]
    fn it_grows_page_by_page() {
        let mut table: Table<(u16, u8)> = Table::default();
        for key in 0..10_000 {
            table.insert(hash(key, false), (key, 0));
        }
        let fullest = table.pages.iter().map(|page| page.used).max();
        assert!(table.pages.len() >= 10_000 / PER_PAGE);
        assert!(
            fullest.is_some_and(|used| used < PER_PAGE * 4),
            "{fullest:?}"
        );
    }
}
