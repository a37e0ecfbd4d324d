//! Who has which roles.

use std::collections::{HashMap, HashSet};

/// How many steps lead from a user to a role at most.
const MAX_LEVELS: usize = 11;

/// Roles of one kind: names, and which they stand for as well.
#[derive(Default)]
pub(super) struct Roles {
    /// Numbers of names, by domain.
    numbers: HashMap<String, HashMap<String, usize>>,
    /// What each name stands for as well.
    above: Vec<Vec<usize>>,
}

impl Roles {
    /// Reads lines of a policy: a name, its role and, if there is one, their domain.
    pub(super) fn new(lines: &[Vec<String>]) -> Self {
        let mut roles = Self::default();
        for line in lines {
            let [name, role, rest @ ..] = line.as_slice() else {
                continue;
            };
            let domain = rest.first().map_or("", String::as_str);
            let (name, role) = (roles.number(domain, name), roles.number(domain, role));
            if let Some(above) = roles.above.get_mut(name) {
                above.push(role);
            }
        }
        roles
    }

    fn number(&mut self, domain: &str, name: &str) -> usize {
        let names = self.numbers.entry(domain.to_owned()).or_default();
        *names.entry(name.to_owned()).or_insert_with(|| {
            self.above.push(Vec::new());
            self.above.len() - 1
        })
    }

    /// The number of a name.
    pub(super) fn find(&self, domain: &str, name: &str) -> Option<usize> {
        self.numbers.get(domain)?.get(name).copied()
    }

    /// All that a name stands for, and how many steps it took to find out.
    pub(super) fn reached_from(&self, start: usize) -> (HashSet<usize>, usize) {
        let mut reached = HashSet::new();
        let mut level = vec![start];
        let mut steps = 0;
        for _ in 0..MAX_LEVELS {
            let mut next = Vec::new();
            for role in level.iter().filter_map(|at| self.above.get(*at)).flatten() {
                steps += 1;
                if reached.insert(*role) {
                    next.push(*role);
                }
            }
            level = next;
        }
        (reached, steps)
    }
}
