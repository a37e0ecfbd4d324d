//! Host patterns: one name, `*.suffix`, `*suffix`, or `*`.

/// What a host pattern matches. Texts are lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// Any host (`*`).
    Any,
    /// Exactly this host. With a port it is compared with the whole Host header.
    Exact(String),
    /// Every host that ends with this text: `*.foo.com` is `.foo.com`, `*foo.com` is `foo.com`.
    Suffix(String),
}

impl HostPattern {
    /// Reads a pattern. Letters are lower-cased, since hosts have no case.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        match text.strip_prefix('*') {
            None => HostPattern::Exact(text),
            Some("") => HostPattern::Any,
            Some(suffix) => HostPattern::Suffix(suffix.to_owned()),
        }
    }

    /// Whether a lower-case host fits. A suffix needs at least one character before it.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        match self {
            HostPattern::Any => true,
            HostPattern::Exact(exact) => exact == host,
            HostPattern::Suffix(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_at_any_depth() {
        let pattern = HostPattern::parse("*.Foo.com");
        assert!(pattern.matches("a.foo.com"));
        assert!(pattern.matches("a.b.foo.com"));
        assert!(!pattern.matches("foo.com"));
        assert!(!pattern.matches(".foo.com"));
    }

    #[test]
    fn a_star_without_a_dot_is_a_text_suffix() {
        let pattern = HostPattern::parse("*foo.com");
        assert!(pattern.matches("barfoo.com"));
        assert!(!pattern.matches("foo.com"));
    }

    #[test]
    fn a_plain_name_matches_itself_only() {
        assert_eq!(
            HostPattern::parse("API.example.com"),
            HostPattern::Exact("api.example.com".to_owned())
        );
        assert_eq!(HostPattern::parse("*"), HostPattern::Any);
    }
}
