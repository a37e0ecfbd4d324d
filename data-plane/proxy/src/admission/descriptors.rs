//! File descriptors: as many as the system gives, and how many of them are for clients.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Of so many descriptors one is kept for nodes, the status port, files and the control plane.
const KEPT: u64 = 5;
/// As many are kept at least, as long as half remains.
const KEPT_AT_LEAST: u64 = 128;

/// Raises the soft limit of open files to the hard one; gives what holds then. `None` is no limit.
pub fn raise() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return current;
    }
    let wanted = Rlimit {
        current: maximum,
        maximum,
    };
    match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::warn!(%error, ?current, ?maximum, "the limit of open files cannot be raised");
            current
        }
    }
}

/// How many of `all` descriptors may be connections of clients; at least 1.
#[must_use]
pub fn for_clients(all: u64) -> u64 {
    let kept = (all / KEPT).max(KEPT_AT_LEAST.min(all / 2));
    all.saturating_sub(kept).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_are_kept_for_the_rest() {
        for (all, clients) in [
            (20_000, 16_000),
            (1_024, 820),
            (256, 128),
            (100, 50),
            (1, 1),
            (0, 1),
        ] {
            assert_eq!(for_clients(all), clients, "{all}");
        }
    }

    #[test]
    fn the_soft_limit_is_raised_to_the_hard_one() {
        let raised = raise();
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        assert_eq!(current, maximum);
        assert_eq!(raised, maximum);
    }
}
