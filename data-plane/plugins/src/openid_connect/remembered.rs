//! Answers that are good for a while, by what was asked.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};

/// Answers remembered at most.
const MOST: usize = 10_000;

/// The memory. Questions are secrets: only their digests are kept.
pub(super) struct Remembered<T> {
    answers: Mutex<HashMap<Vec<u8>, (T, Duration)>>,
}

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self {
            answers: Mutex::default(),
        }
    }
}

impl<T: Clone> Remembered<T> {
    /// The answer to `question`, if it is still good.
    pub(super) fn get(&self, now: Duration, question: &str) -> Option<T> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let (answer, until) = answers.get(&key(question))?;
        (now < *until).then(|| answer.clone())
    }

    /// The answer to `question`, made by `make` and remembered for `time` when there is none.
    pub(super) fn get_or(
        &self,
        now: Duration,
        question: &str,
        time: Duration,
        make: impl FnOnce() -> T,
    ) -> T {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let known = answers.get(&key(question));
        if let Some((answer, until)) = known
            && now < *until
        {
            return answer.clone();
        }
        if answers.len() >= MOST {
            answers.retain(|_, (_, until)| now < *until);
        }
        if answers.len() >= MOST {
            answers.clear();
        }
        let answer = make();
        answers.insert(key(question), (answer.clone(), now + time));
        answer
    }
}

fn key(question: &str) -> Vec<u8> {
    digest(&SHA256, question.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_good_for_their_time_and_bounded() {
        let memory = Remembered::default();
        let second = Duration::from_secs;
        assert_eq!(memory.get_or(second(0), "a", second(10), || 1), 1);
        assert_eq!(memory.get_or(second(9), "a", second(10), || 2), 1);
        assert_eq!(memory.get(second(9), "a"), Some(1));
        assert_eq!(memory.get(second(10), "a"), None);
        for number in 0..MOST + 10 {
            memory.get_or(second(20), &number.to_string(), second(10), || number);
        }
        assert!(memory.answers.lock().unwrap().len() <= MOST);
    }
}
