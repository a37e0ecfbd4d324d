//! The phases of a request, in the order in which they run.

/// A point in the life of a request at which plugins run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Phase {
    /// After the route is chosen; authentication happens here. May answer.
    Rewrite,
    /// After authentication and merging of the consumer's plugins. May answer.
    Access,
    /// After a node is picked, once per try. May answer.
    BeforeProxy,
    /// When the head of the answer is known, before it is sent.
    HeaderFilter,
    /// For each chunk of the answer's body.
    BodyFilter,
    /// After the answer is finished or the client is gone.
    Log,
}

/// A set of phases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Phases(u8);

impl Phases {
    /// The set of the given phases.
    #[must_use]
    pub const fn of(phases: &[Phase]) -> Self {
        let mut bits = 0;
        let mut rest = phases;
        while let [phase, tail @ ..] = rest {
            bits |= 1 << (*phase as u8);
            rest = tail;
        }
        Self(bits)
    }

    /// Whether `phase` is in the set.
    #[must_use]
    pub const fn contains(self, phase: Phase) -> bool {
        self.0 & (1 << (phase as u8)) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Phase; 6] = [
        Phase::Rewrite,
        Phase::Access,
        Phase::BeforeProxy,
        Phase::HeaderFilter,
        Phase::BodyFilter,
        Phase::Log,
    ];

    #[test]
    fn a_set_holds_what_it_was_made_of() {
        let some = Phases::of(&[Phase::Rewrite, Phase::Log]);
        for phase in ALL {
            let expected = matches!(phase, Phase::Rewrite | Phase::Log);
            assert_eq!(some.contains(phase), expected, "{phase:?}");
            assert!(Phases::of(&ALL).contains(phase));
            assert!(!Phases::default().contains(phase));
        }
    }

    #[test]
    fn phases_are_ordered_as_they_run() {
        assert!(ALL.is_sorted());
    }
}
