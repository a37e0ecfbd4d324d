//! Parameters of a path: `:name` is one segment, `*name` is anything. At most one `*name` can be
//! matched without trying: what follows it begins with a slash and holds a known number of them,
//! so its place is known. With several, a regular expression decides.

use std::sync::Arc;

use regex::{Regex, RegexBuilder};
use smallvec::SmallVec;
use weir_model::field::uri::Piece as Written;

use super::names::Names;
use super::pattern::Capture;

/// Largest compiled regular expression, in bytes.
const MAX_REGEX: usize = 1 << 20;

/// What follows the literal text of a path pattern.
#[derive(Debug)]
pub(super) struct Params {
    /// In place, as are most of their texts: what lies elsewhere has to be fetched.
    pieces: SmallVec<[Piece; 3]>,
    /// The names of each capture, in order.
    names: Box<[Named]>,
    /// Decides when there are several `*name`.
    regex: Option<Box<Regex>>,
}

/// The number of a capture as text, and the operator's name.
type Named = (Arc<str>, Option<Arc<str>>);

#[derive(Debug)]
enum Piece {
    Text(SmallVec<[u8; 16]>),
    Segment,
    /// With the number of slashes in the pieces behind it; `None` when it is the last one.
    Rest(Option<usize>),
}

impl Params {
    /// # Errors
    /// Parameters whose regular expression would be too large.
    pub(super) fn new(written: &[Written<'_>], names: &Names) -> Result<Self, String> {
        let piece = |(at, piece): (usize, &Written<'_>)| match piece {
            Written::Text(text) => Piece::Text(SmallVec::from_slice(text.as_bytes())),
            Written::Segment(_) => Piece::Segment,
            Written::Rest(_) => {
                let behind = written.get(at + 1..).unwrap_or_default();
                Piece::Rest((!behind.is_empty()).then(|| slashes(behind)))
            }
        };
        let wanted: Vec<&str> = written.iter().filter_map(name).collect();
        let named = |(at, name): (usize, &&str)| {
            // Of several parameters with one name the last one counts.
            let again = wanted.get(at + 1..).unwrap_or_default().contains(name);
            let number = names.of(&(at + 1).to_string());
            (number, (!again).then(|| names.of(name)))
        };
        let rests = written
            .iter()
            .filter(|piece| matches!(piece, Written::Rest(_)));
        Ok(Self {
            pieces: written.iter().enumerate().map(piece).collect(),
            names: wanted.iter().enumerate().map(named).collect(),
            regex: match rests.count() {
                0 | 1 => None,
                _ => Some(Box::new(regex(written)?)),
            },
        })
    }

    /// Whether the part of a path behind the literal text fits, and what it captures when that is
    /// `wanted`.
    pub(super) fn capture(&self, rest: &str, wanted: bool) -> Option<Vec<Capture>> {
        let mut found = Vec::new();
        let mut names = self.names.iter();
        let mut take = |value: &str| {
            if let Some((number, name)) = names.next().filter(|_| wanted) {
                found.push((Arc::clone(number), value.to_owned()));
                let name = name.as_ref().map(Arc::clone);
                found.extend(name.map(|name| (name, value.to_owned())));
            }
        };
        match &self.regex {
            None => self.each(rest, &mut take)?,
            Some(regex) if wanted => {
                let captures = regex.captures(rest)?;
                let groups = captures.iter().skip(1).flatten();
                groups.for_each(|group| take(group.as_str()));
            }
            Some(regex) => regex.is_match(rest).then_some(())?,
        }
        Some(found)
    }

    /// Walks the pieces along `rest`, giving each capture to `take`.
    fn each(&self, mut rest: &str, take: &mut impl FnMut(&str)) -> Option<()> {
        for piece in &self.pieces {
            let end = match piece {
                Piece::Text(text) => {
                    rest = rest.as_bytes().starts_with(text).then_some(rest)?;
                    rest = rest.get(text.len()..)?;
                    continue;
                }
                Piece::Segment => {
                    let end = rest.find('/').unwrap_or(rest.len());
                    (end > 0).then_some(end)?
                }
                Piece::Rest(None) => rest.len(),
                Piece::Rest(Some(behind)) => rest.rmatch_indices('/').nth(behind - 1)?.0,
            };
            let (value, behind) = rest.split_at_checked(end)?;
            take(value);
            rest = behind;
        }
        rest.is_empty().then_some(())
    }
}

fn name<'t>(piece: &Written<'t>) -> Option<&'t str> {
    match piece {
        Written::Text(_) => None,
        Written::Segment(name) | Written::Rest(name) => Some(name),
    }
}

fn slashes(pieces: &[Written<'_>]) -> usize {
    let count = |piece: &Written<'_>| match piece {
        Written::Text(text) => text.matches('/').count(),
        Written::Segment(_) | Written::Rest(_) => 0,
    };
    pieces.iter().map(count).sum()
}

fn regex(pieces: &[Written<'_>]) -> Result<Regex, String> {
    let mut source = String::from("^");
    for piece in pieces {
        match piece {
            Written::Text(text) => source.push_str(&regex::escape(text)),
            Written::Segment(_) => source.push_str("([^/]+)"),
            Written::Rest(_) => source.push_str("(.*)"),
        }
    }
    source.push('$');
    RegexBuilder::new(&source)
        .dot_matches_new_line(true)
        .size_limit(MAX_REGEX)
        .build()
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_model::field::uri::pieces;

    use super::*;

    fn params(pattern: &str) -> Params {
        // The slash at the front is the literal text.
        let pieces = pieces(pattern, true).unwrap();
        Params::new(&pieces, &Names::default()).unwrap()
    }

    fn captures(pattern: &str, path: &str) -> Option<Vec<(String, String)>> {
        let found = params(pattern).capture(path, true)?;
        let text = |(name, value): Capture| (name.to_string(), value);
        Some(found.into_iter().map(text).collect())
    }

    fn pairs(pairs: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
        let text = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Some(pairs.iter().map(text).collect())
    }

    #[test]
    fn a_segment_has_no_slash_and_is_not_empty() {
        assert_eq!(
            captures("/user/:id/posts/:post", "/user/7/posts/9"),
            pairs(&[("1", "7"), ("id", "7"), ("2", "9"), ("post", "9")])
        );
        for path in [
            "/user//posts/9",
            "/user/7/8/posts/9",
            "/user/7/posts/",
            "/user/7/posts/9/",
        ] {
            assert_eq!(captures("/user/:id/posts/:post", path), None, "{path}");
        }
        assert_eq!(
            captures("/user/:id/", "/user/7/"),
            pairs(&[("1", "7"), ("id", "7")])
        );
    }

    #[test]
    fn the_rest_matches_over_slashes() {
        assert_eq!(
            captures("/*path/raw", "/a/b/raw"),
            pairs(&[("1", "a/b"), ("path", "a/b")])
        );
        assert_eq!(
            captures("/*path/:kind/raw", "/a/b/c/raw"),
            pairs(&[("1", "a/b"), ("path", "a/b"), ("2", "c"), ("kind", "c")])
        );
        assert_eq!(
            captures("/:id/*", "/7/"),
            pairs(&[("1", "7"), ("id", "7"), ("2", ""), (":ext", "")])
        );
        assert_eq!(captures("/*path/raw", "/raw"), None);
    }

    #[test]
    fn several_rests_are_as_long_as_they_can_be_from_the_left() {
        assert_eq!(
            captures("/*a/x/*b/y", "/1/x/2/x/3/y"),
            pairs(&[("1", "1/x/2"), ("a", "1/x/2"), ("2", "3"), ("b", "3")])
        );
    }

    #[test]
    fn of_two_parameters_with_one_name_the_last_counts() {
        assert_eq!(
            captures("/:a/:a", "/1/2"),
            pairs(&[("1", "1"), ("2", "2"), ("a", "2")])
        );
    }

    proptest! {
        #[test]
        fn pieces_match_what_their_regular_expression_matches(
            pattern in "(/(a|b|:x|:y)){0,3}(/\\*z)?(/(a|b|:v)){0,3}/?",
            path in "(/[ab]{1,2}){0,6}/?",
        ) {
            prop_assume!(pattern.starts_with('/') && path.starts_with('/'));
            let written = pieces(&pattern, true).unwrap();
            let by_pieces = params(&pattern);
            prop_assert!(by_pieces.regex.is_none());
            let regex = Some(Box::new(regex(&written).unwrap()));
            let by_regex = Params { regex, ..params(&pattern) };
            for wanted in [false, true] {
                prop_assert_eq!(by_pieces.capture(&path, wanted), by_regex.capture(&path, wanted));
            }
        }
    }
}
