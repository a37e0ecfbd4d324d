//! Path patterns of routes, taken apart. How they are indexed is the router's business.

/// One piece of a path pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Piece<'t> {
    /// Text that must be there.
    Text(&'t str),
    /// `:name`: one segment without a slash, at least one character.
    Segment(&'t str),
    /// `*` or `*name`: anything, slashes too, also nothing. Named `:ext` when it has no name.
    Rest(&'t str),
}

/// Takes a pattern apart, never two texts in a row: `*` at the end, `*name` after a slash, and
/// `:name` after a slash where `parameters` are asked for; elsewhere a colon is text.
///
/// # Errors
/// A pattern that is no path, or a `*` where it stands for nothing.
pub fn pieces(pattern: &str, parameters: bool) -> Result<Vec<Piece<'_>>, String> {
    if !pattern.starts_with('/') && pattern != "*" {
        return Err(format!(
            "expected a path that starts with /, got {pattern:?}"
        ));
    }
    let mut pieces = Vec::new();
    // A special character counts at the front of a segment; a `*` also at the very end.
    let mut literal = 0;
    let mut at = 0;
    for segment in pattern.split_inclusive('/') {
        let (body, slash) = match segment.strip_suffix('/') {
            Some(body) => (body, 1),
            None => (segment, 0),
        };
        let name = body.get(1..).unwrap_or_default();
        let special = match body.as_bytes().first() {
            Some(b'*') if name.is_empty() => Some(Piece::Rest(":ext")),
            Some(b'*') => Some(Piece::Rest(name)),
            Some(b':') if parameters && !name.is_empty() => Some(Piece::Segment(name)),
            _ => None,
        };
        let end = at + segment.len();
        let named = special.is_some();
        if let Some(piece) = special {
            push_text(&mut pieces, pattern, literal, at);
            pieces.push(piece);
            literal = end - slash;
        }
        let stars = body.matches('*').count();
        let last = !named && end == pattern.len() && body.ends_with('*');
        if last {
            push_text(&mut pieces, pattern, literal, end - 1);
            pieces.push(Piece::Rest(":ext"));
            literal = end;
        }
        if stars > usize::from(last || body.starts_with('*')) {
            return Err(format!(
                "expected * at the end of the path or right after a slash, got {pattern:?}"
            ));
        }
        at = end;
    }
    push_text(&mut pieces, pattern, literal, pattern.len());
    Ok(pieces)
}

fn push_text<'t>(pieces: &mut Vec<Piece<'t>>, pattern: &'t str, from: usize, to: usize) {
    if let Some(text) = pattern.get(from..to).filter(|text| !text.is_empty()) {
        pieces.push(Piece::Text(text));
    }
}

#[cfg(test)]
mod tests {
    use super::Piece::{Rest, Segment, Text};
    use super::*;

    fn parsed(pattern: &str) -> Vec<Piece<'_>> {
        pieces(pattern, true).unwrap()
    }

    #[test]
    fn plain_text_is_one_piece() {
        assert_eq!(parsed("/a/b"), [Text("/a/b")]);
        assert_eq!(parsed("/"), [Text("/")]);
    }

    #[test]
    fn a_trailing_star_is_the_rest_of_the_path() {
        assert_eq!(parsed("/a*"), [Text("/a"), Rest(":ext")]);
        assert_eq!(parsed("/a/*"), [Text("/a/"), Rest(":ext")]);
        assert_eq!(parsed("*"), [Rest(":ext")]);
        assert_eq!(parsed("/a/*rest"), [Text("/a/"), Rest("rest")]);
    }

    #[test]
    fn parameters_are_whole_segments() {
        assert_eq!(
            parsed("/user/:id/x/*file/raw/"),
            [
                Text("/user/"),
                Segment("id"),
                Text("/x/"),
                Rest("file"),
                Text("/raw/")
            ]
        );
        assert_eq!(
            parsed("/:a/:b"),
            [Text("/"), Segment("a"), Text("/"), Segment("b")]
        );
    }

    #[test]
    fn a_colon_is_text_inside_a_segment_and_without_parameters() {
        assert_eq!(parsed("/a:b"), [Text("/a:b")]);
        assert_eq!(parsed("/:"), [Text("/:")]);
        assert_eq!(pieces("/user/:id", false), Ok(vec![Text("/user/:id")]));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for bad in ["", "a", "a/*", "**"] {
            let error = pieces(bad, false).unwrap_err();
            assert_eq!(
                error,
                format!("expected a path that starts with /, got {bad:?}")
            );
        }
    }

    #[test]
    fn a_star_in_the_wrong_place_is_refused() {
        for bad in ["/a*b", "/a*/b", "/a/**", "/a/*b*", "/a/*b*c/d", "/a*b*"] {
            let error = pieces(bad, false).unwrap_err();
            assert_eq!(
                error,
                format!("expected * at the end of the path or right after a slash, got {bad:?}")
            );
        }
    }
}
