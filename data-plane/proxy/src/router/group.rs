//! The candidates on one node of the index, in order. Mostly there is one.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::candidate::Candidate;

/// Candidates in order.
#[derive(Debug, Clone, Default)]
pub(super) enum Group {
    #[default]
    None,
    One(Candidate),
    Many(Arc<Vec<Candidate>>),
}

impl Group {
    #[inline]
    pub(super) fn candidates(&self) -> &[Candidate] {
        match self {
            Group::None => &[],
            Group::One(candidate) => std::slice::from_ref(candidate),
            Group::Many(candidates) => candidates,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Group::None)
    }

    /// Shows the candidates one after the other, until one is taken.
    #[inline]
    pub(super) fn visit<'r, B>(
        &'r self,
        visit: &mut impl FnMut(&'r Candidate) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        self.candidates().iter().try_for_each(visit)
    }

    pub(super) fn insert(&mut self, candidate: Candidate) {
        let many = match self {
            Group::None => {
                *self = Group::One(candidate);
                return;
            }
            Group::One(other) => {
                let both = vec![other.clone()];
                *self = Group::Many(Arc::new(both));
                match self {
                    Group::Many(many) => many,
                    _ => return,
                }
            }
            Group::Many(many) => many,
        };
        let at = many.partition_point(|other| other.order(&candidate).is_lt());
        Arc::make_mut(many).insert(at, candidate);
    }

    pub(super) fn remove(&mut self, candidate: &Candidate) {
        match self {
            Group::One(only) if only.is(candidate) => *self = Group::None,
            Group::Many(many) => {
                if let Some(at) = many.iter().position(|other| other.is(candidate)) {
                    Arc::make_mut(many).remove(at);
                }
                if let [only] = &many[..] {
                    *self = Group::One(only.clone());
                }
            }
            Group::None | Group::One(_) => {}
        }
    }
}
