//! Host patterns: one name, `*.suffix`, `*suffix`, or `*`. Patterns and hosts are in lower case.

/// The text behind the `*` of a pattern that begins with one.
#[must_use]
pub fn suffix(pattern: &str) -> Option<&str> {
    pattern.strip_prefix('*')
}

/// Whether a pattern holds a port, and so is compared with the whole Host header. The colons of an
/// IPv6 address stand in brackets.
#[must_use]
pub fn holds_port(pattern: &str) -> bool {
    let behind = pattern.rsplit_once(']').map_or(pattern, |(_, rest)| rest);
    behind.contains(':')
}

/// Whether a host fits a pattern. A wildcard is a suffix of text: `*.foo.com` takes names of any
/// depth below `foo.com`, `*foo.com` also `foo.com` itself.
#[must_use]
pub fn fits(pattern: &str, host: &str) -> bool {
    match suffix(pattern) {
        Some(suffix) => host.ends_with(suffix),
        None => pattern == host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_at_any_depth() {
        assert!(fits("*.foo.com", "a.foo.com"));
        assert!(fits("*.foo.com", "a.b.foo.com"));
        assert!(!fits("*.foo.com", "foo.com"));
        assert!(!fits("*.foo.com", "a.foo.com.org"));
    }

    #[test]
    fn a_star_without_a_dot_is_a_text_suffix() {
        assert!(fits("*foo.com", "barfoo.com"));
        assert!(fits("*foo.com", "foo.com"));
        assert!(!fits("*foo.com", "oo.com"));
        assert!(fits("*", "anything"));
    }

    #[test]
    fn a_plain_name_matches_itself_only() {
        assert!(fits("api.foo.com", "api.foo.com"));
        assert!(!fits("api.foo.com", "x.api.foo.com"));
    }

    #[test]
    fn the_colons_of_an_address_are_no_port() {
        assert!(holds_port("foo.com:8080") && holds_port("[::1]:80"));
        assert!(!holds_port("foo.com") && !holds_port("[::1]"));
    }
}
