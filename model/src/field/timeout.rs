//! The three limits of one exchange with a node, and durations written as seconds.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// Limits per operation, not for the whole request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From the start of the connect to the established connection.
    pub connect: Duration,
    /// Between two writes.
    pub send: Duration,
    /// Between two reads.
    pub read: Duration,
}

impl Default for Timeouts {
    /// 60 s each, what APISIX's server has where no object sets a limit.
    fn default() -> Self {
        let limit = Duration::from_secs(60);
        Self {
            connect: limit,
            send: limit,
            read: limit,
        }
    }
}

impl<'de> Deserialize<'de> for Timeouts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Raw {
            #[serde(deserialize_with = "seconds")]
            connect: Duration,
            #[serde(deserialize_with = "seconds")]
            send: Duration,
            #[serde(deserialize_with = "seconds")]
            read: Duration,
        }
        let raw = Raw::deserialize(deserializer)?;
        Ok(Self {
            connect: raw.connect,
            send: raw.send,
            read: raw.read,
        })
    }
}

/// Longest duration that a document can state: a hundred years. Longer ones are cut to it, so that
/// deadline arithmetic cannot overflow.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// A number of seconds as a duration; `None` when it is negative or not a number.
#[must_use]
pub fn from_seconds(seconds: f64) -> Option<Duration> {
    if seconds.is_nan() || seconds < 0.0 {
        return None;
    }
    Some(Duration::try_from_secs_f64(seconds).map_or(LONGEST, |duration| duration.min(LONGEST)))
}

/// Deserialises a number of seconds.
pub(crate) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let number = f64::deserialize(deserializer)?;
    from_seconds(number).ok_or_else(|| {
        serde::de::Error::custom(format!("expected seconds of 0 or more, got {number}"))
    })
}

/// Deserialises an optional number of seconds.
pub(crate) fn optional_seconds<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    let Some(number) = Option::<f64>::deserialize(deserializer)? else {
        return Ok(None);
    };
    from_seconds(number).map(Some).ok_or_else(|| {
        serde::de::Error::custom(format!("expected seconds of 0 or more, got {number}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_may_be_fractions() {
        assert_eq!(from_seconds(0.25), Some(Duration::from_millis(250)));
    }

    #[test]
    fn negative_and_undefined_durations_are_refused() {
        assert_eq!(from_seconds(-1.0), None);
        assert_eq!(from_seconds(f64::NAN), None);
    }

    #[test]
    fn endless_durations_are_cut() {
        assert_eq!(from_seconds(1e300), Some(LONGEST));
        assert_eq!(from_seconds(f64::INFINITY), Some(LONGEST));
    }
}
