//! Path patterns of routes, taken apart. How they are indexed is the router's business.

/// One piece of a path pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Piece {
    /// Text that must be there.
    Text(String),
    /// `:name`: one segment without a slash, at least one character.
    Segment(String),
    /// `*` or `*name`: anything, slashes too, also nothing. Named `:ext` when it has no name.
    Rest(String),
}

/// A path pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UriPattern {
    /// The pattern as written.
    pub text: String,
    /// Its pieces in order; never two texts in a row.
    pub pieces: Vec<Piece>,
}

impl UriPattern {
    /// Reads a pattern. `:name` counts only after a slash, and `*` only after a slash or at the end.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let after_slash = literal.ends_with('/');
            let tail = rest.get(first.len_utf8()..).unwrap_or_default();
            let (name, behind) = tail.split_at(tail.find('/').unwrap_or(tail.len()));
            let piece = match first {
                ':' if after_slash && !name.is_empty() => Some(Piece::Segment(name.to_owned())),
                '*' if tail.is_empty() || after_slash => Some(Piece::Rest(
                    if name.is_empty() { ":ext" } else { name }.to_owned(),
                )),
                _ => None,
            };
            if let Some(piece) = piece {
                if !literal.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut literal)));
                }
                pieces.push(piece);
                rest = behind;
            } else {
                literal.push(first);
                rest = tail;
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        Self {
            text: text.to_owned(),
            pieces,
        }
    }

    /// Whether only one path fits.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        matches!(self.pieces.as_slice(), [] | [Piece::Text(_)])
    }

    /// The prefix, when the pattern is text followed by an unnamed `*` at the end.
    #[must_use]
    pub fn prefix(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [Piece::Text(text), Piece::Rest(name)] if name == ":ext" => Some(text),
            [Piece::Rest(name)] if name == ":ext" => Some(""),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_exact() {
        assert!(UriPattern::parse("/a/b").is_exact());
        assert!(!UriPattern::parse("/a/*").is_exact());
    }

    #[test]
    fn a_trailing_star_is_a_text_prefix() {
        assert_eq!(UriPattern::parse("/a*").prefix(), Some("/a"));
        assert_eq!(UriPattern::parse("/a/*").prefix(), Some("/a/"));
        assert_eq!(UriPattern::parse("*").prefix(), Some(""));
        assert_eq!(UriPattern::parse("/a/*rest").prefix(), None);
    }

    #[test]
    fn parameters_are_whole_segments() {
        assert_eq!(
            UriPattern::parse("/user/:id/*file").pieces,
            [
                Piece::Text("/user/".to_owned()),
                Piece::Segment("id".to_owned()),
                Piece::Text("/".to_owned()),
                Piece::Rest("file".to_owned()),
            ]
        );
    }

    #[test]
    fn a_colon_or_star_inside_a_segment_is_text() {
        assert!(UriPattern::parse("/a:b").is_exact());
        assert!(UriPattern::parse("/a*b").is_exact());
        assert!(UriPattern::parse("/:").is_exact());
    }
}
