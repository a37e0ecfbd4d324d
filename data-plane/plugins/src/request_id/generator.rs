//! How ids are made, from a clock and random bits.

use uuid::Builder;
use weir_plugin_api::Host;

use super::config::{Algorithm, Config};

/// URL-safe, as nanoid has it.
const NANOID: &[u8; 64] = b"_-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const NANOID_LENGTH: usize = 21;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The epoch of ksuid, 2014-05-13, in seconds.
const KSUID_EPOCH: u64 = 1_400_000_000;
const KSUID_LENGTH: usize = 27;
/// Longest id of `range_id`: it goes into a header of every request.
const LONGEST: usize = 1024;

/// Makes ids.
#[derive(Debug)]
pub(super) enum Generator {
    Uuid,
    Uuidv7,
    Ksuid,
    /// So many characters of a set.
    Characters(Box<[u8]>, usize),
}

impl Generator {
    /// The generator that a configuration asks for.
    ///
    /// # Errors
    /// Which character cannot stand in a header, or that an id would be too long.
    pub(super) fn new(config: &Config) -> Result<Self, String> {
        Ok(match config.algorithm {
            Algorithm::Uuid => Self::Uuid,
            Algorithm::Uuidv7 => Self::Uuidv7,
            Algorithm::Ksuid => Self::Ksuid,
            Algorithm::Nanoid => Self::Characters(Box::from(NANOID.as_slice()), NANOID_LENGTH),
            Algorithm::RangeId => {
                let range = &config.range_id;
                let bad = range.char_set.chars().find(|c| !c.is_ascii_graphic());
                if let Some(bad) = bad {
                    return Err(format!(
                        "range_id.char_set must hold visible ASCII characters only, got {bad:?}"
                    ));
                }
                if range.length > LONGEST {
                    return Err(format!(
                        "range_id.length must be at most {LONGEST}, got {}",
                        range.length
                    ));
                }
                Self::Characters(range.char_set.bytes().collect(), range.length)
            }
        })
    }

    /// A new id: visible ASCII.
    pub(super) fn next(&self, host: &dyn Host) -> String {
        match self {
            Self::Uuid => Builder::from_random_bytes(random_bytes(host))
                .into_uuid()
                .to_string(),
            Self::Uuidv7 => {
                let [a, b, c, d, e, f, g, h, i, j, ..] = random_bytes(host);
                let bits = [a, b, c, d, e, f, g, h, i, j];
                Builder::from_unix_timestamp_millis(host.unix_ms(), &bits)
                    .into_uuid()
                    .to_string()
            }
            Self::Ksuid => ksuid(host.unix_ms() / 1000, random_bytes(host)),
            Self::Characters(set, length) => (0..*length)
                .filter_map(|_| one_of(set, host.random()))
                .collect(),
        }
    }
}

fn random_bytes(host: &dyn Host) -> [u8; 16] {
    let bits = (u128::from(host.random()) << 64) | u128::from(host.random());
    bits.to_be_bytes()
}

/// The character that a random number falls on; all are as likely.
fn one_of(set: &[u8], random: u64) -> Option<char> {
    let at = (u128::from(random) * set.len() as u128) >> 64;
    set.get(at as usize).map(|byte| char::from(*byte))
}

/// 32 bits of seconds and 128 random ones, as one number in base 62.
fn ksuid(unix_seconds: u64, random: [u8; 16]) -> String {
    let seconds = unix_seconds.saturating_sub(KSUID_EPOCH);
    // The format ends in 2150; it wraps around then, as others do.
    let seconds = (seconds & u64::from(u32::MAX)) as u32;
    let mut number = [0_u8; 20];
    let bytes = seconds.to_be_bytes().into_iter().chain(random);
    for (place, byte) in number.iter_mut().zip(bytes) {
        *place = byte;
    }
    let mut digits = [b'0'; KSUID_LENGTH];
    for place in digits.iter_mut().rev() {
        let mut rest = 0_u32;
        for byte in &mut number {
            let value = (rest << 8) | u32::from(*byte);
            *byte = (value / 62) as u8;
            rest = value % 62;
        }
        *place = BASE62.get(rest as usize).copied().unwrap_or(b'0');
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ksuid_is_that_of_other_programs() {
        // Computed by hand from the smallest and the largest number of 160 bits.
        assert_eq!(ksuid(KSUID_EPOCH, [0; 16]), "0".repeat(27));
        let last = KSUID_EPOCH + u64::from(u32::MAX);
        assert_eq!(ksuid(last, [0xff; 16]), "aWgEPTl1tmebfsQzFP4bxwgy80V");
    }

    #[test]
    fn ksuids_sort_by_time() {
        let ids: Vec<_> = (0..100)
            .map(|n| ksuid(1_700_000_000 + n * 7, [(n * 37) as u8; 16]))
            .collect();
        assert!(ids.is_sorted());
        // Before the epoch the clock is wrong; it is the earliest time then.
        assert_eq!(ksuid(5, [0; 16]), "0".repeat(27));
    }

    #[test]
    fn every_character_is_as_likely() {
        let set = b"abc";
        assert_eq!(one_of(set, 0), Some('a'));
        assert_eq!(one_of(set, u64::MAX / 3 + 1), Some('b'));
        assert_eq!(one_of(set, u64::MAX), Some('c'));
        assert_eq!(one_of(&[], 7), None);
    }
}
