//! Sets of methods, as small as a number.

use http::Method;

/// The methods that a route may name.
const NAMES: [&str; 10] = [
    "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT", "TRACE", "PURGE",
];

/// A set of methods; the empty one stands for all.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Methods(u16);

impl Methods {
    /// The set of these methods.
    ///
    /// # Errors
    /// A name that no route may name.
    pub fn of(names: &[String]) -> Result<Self, String> {
        let mut set = 0;
        for name in names {
            let at = NAMES.iter().position(|known| known == name);
            let at = at.ok_or_else(|| format!("expected a method, got {name:?}"))?;
            set |= 1 << at;
        }
        Ok(Self(set))
    }

    /// Whether a method is in the set.
    #[inline]
    #[must_use]
    pub fn contains(self, method: &Method) -> bool {
        self.0 == 0 || self.names().any(|name| name == method.as_str())
    }

    /// Whether it stands for all methods.
    #[must_use]
    pub fn is_all(self) -> bool {
        self.0 == 0
    }

    /// The names in the set; none when it stands for all.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let known = NAMES.iter().enumerate();
        known
            .filter(move |(at, _)| self.0 & (1 << at) != 0)
            .map(|(_, name)| *name)
    }
}

impl std::fmt::Debug for Methods {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_method_means_all() {
        let all = Methods::default();
        assert!(all.contains(&Method::GET) && all.contains(&Method::from_bytes(b"LINK").unwrap()));
    }

    #[test]
    fn a_set_holds_what_it_was_made_of() {
        let set = Methods::of(&["PURGE".to_owned(), "GET".to_owned()]).unwrap();
        assert!(set.contains(&Method::GET) && set.contains(&Method::from_bytes(b"PURGE").unwrap()));
        assert!(
            !set.contains(&Method::POST) && !set.contains(&Method::from_bytes(b"get").unwrap())
        );
        assert_eq!(format!("{set:?}"), "{\"GET\", \"PURGE\"}");
        assert!(Methods::of(&["LINK".to_owned()]).is_err());
    }
}
