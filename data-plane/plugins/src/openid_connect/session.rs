//! What is kept of a login between requests.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::options;
use super::tokens::Tokens;

/// Seconds after which an access token ends that does not say it, as in APISIX.
const HOUR: u64 = 3600;

/// A login.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Session {
    /// What Redis knows it by; empty when it is kept in cookies, or nowhere yet.
    #[serde(skip)]
    pub(super) name: String,
    created: u64,
    /// When it was last made good for a whole `rolling`.
    rolled: u64,
    /// When it was last used, about.
    used: u64,
    /// When the provider last said that the login holds.
    pub(super) confirmed: u64,
    pub(super) id_token: String,
    pub(super) access_token: Option<String>,
    /// When the access token ends.
    ends: u64,
    pub(super) refresh_token: Option<String>,
    pub(super) user: Option<Value>,
}

impl Session {
    /// A login that has just succeeded.
    pub(super) fn new(
        id_token: String,
        tokens: &Tokens,
        default_life: Option<u64>,
        now: u64,
    ) -> Self {
        let mut session = Self {
            name: String::new(),
            created: now,
            rolled: now,
            used: now,
            confirmed: now,
            id_token,
            access_token: None,
            ends: 0,
            refresh_token: None,
            user: None,
        };
        session.take(tokens, default_life, now);
        session
    }

    /// Takes new tokens.
    pub(super) fn take(&mut self, tokens: &Tokens, default_life: Option<u64>, now: u64) {
        let life = tokens.expires_in.or(default_life).unwrap_or(HOUR);
        self.access_token.clone_from(&tokens.access);
        self.ends = now.saturating_add(life);
        if tokens.refresh.is_some() {
            self.refresh_token.clone_from(&tokens.refresh);
        }
    }

    /// Whether the access token has ended, or does so within `leeway` seconds.
    pub(super) fn has_ended(&self, leeway: u64, now: u64) -> bool {
        self.access_token.is_some() && now.saturating_add(leeway) >= self.ends
    }
}

/// For how long sessions live, in seconds; 0 is for ever.
pub(super) struct Lives {
    idling: u64,
    rolling: u64,
    absolute: u64,
}

impl Lives {
    pub(super) fn compile(session: Option<&options::Session>) -> Self {
        let seconds = |value: Option<i64>, default: u64| {
            value.map_or(default, |value| u64::try_from(value).unwrap_or(0))
        };
        let older = session.and_then(|session| session.cookie.as_ref()?.lifetime);
        let field = |get: fn(&options::Session) -> Option<i64>| session.and_then(get);
        Self {
            idling: seconds(field(|session| session.idling_timeout), 900),
            rolling: seconds(field(|session| session.rolling_timeout).or(older), HOUR),
            absolute: seconds(field(|session| session.absolute_timeout), 86_400),
        }
    }

    /// Whether a session is still good.
    pub(super) fn hold(&self, session: &Session, now: u64) -> bool {
        let within = |since: u64, life: u64| life == 0 || now < since.saturating_add(life);
        within(session.used, self.idling)
            && within(session.rolled, self.rolling)
            && within(session.created, self.absolute)
    }

    /// Seconds for which a session is good unless it is used; 0 is for ever.
    pub(super) fn left(&self, session: &Session, now: u64) -> u64 {
        let ends = [
            (session.used, self.idling),
            (session.rolled, self.rolling),
            (session.created, self.absolute),
        ];
        let ends = ends.into_iter().filter(|(_, life)| *life > 0);
        let left = ends.map(|(since, life)| since.saturating_add(life).saturating_sub(now));
        left.min().map_or(0, |left| left.max(1))
    }

    /// Notes that a session is in use; whether the user must be given it anew.
    pub(super) fn touch(&self, session: &mut Session, now: u64) -> bool {
        let after = |since: u64, part: u64| part > 0 && now >= since.saturating_add(part);
        let is_rolled = after(session.rolled, self.rolling - self.rolling / 4);
        let is_used = after(
            session.used,
            (self.idling / 4).min(60).max(u64::from(self.idling > 0)),
        );
        if is_rolled {
            session.rolled = now;
        }
        if is_rolled || is_used {
            session.used = now;
        }
        is_rolled || is_used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        let tokens = Tokens {
            is_bound: false,
            access: Some("a".into()),
            refresh: None,
            id: None,
            expires_in: Some(100),
        };
        Session::new("i".into(), &tokens, None, 1000)
    }

    #[test]
    fn sessions_end_when_idle_and_at_last() {
        let lives = Lives::compile(None);
        let mut session = session();
        assert!(lives.hold(&session, 1899));
        assert_eq!(lives.left(&session, 1100), 800);
        assert_eq!(lives.left(&session, 5000), 1);
        assert!(!lives.hold(&session, 1900));
        assert!(!lives.touch(&mut session, 1059));
        let mut now = 1000;
        while now < 87_000 {
            now += 600;
            assert_eq!(lives.hold(&session, now), now < 87_400, "{now}");
            assert!(lives.touch(&mut session, now));
        }
        assert!(!lives.hold(&session, 87_400));
    }

    #[test]
    fn access_tokens_end() {
        let session = session();
        assert!(!session.has_ended(0, 1099));
        assert!(session.has_ended(0, 1100));
        assert!(session.has_ended(10, 1090));
    }
}
