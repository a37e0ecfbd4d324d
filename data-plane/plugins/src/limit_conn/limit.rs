//! One limit of a configuration: how many at a time, and by what.

use std::borrow::Cow;

use weir_plugin_api::{Context, KeySource};

use super::config::Config;
use crate::amount::{Amount, CompiledAmount, Least};
use crate::limit_req::KeyType;

/// One limit, ready to be checked.
#[derive(Debug)]
pub(super) struct Limit {
    conn: CompiledAmount,
    burst: CompiledAmount,
    key: KeySource,
    /// Position among the rules; none when there is only one limit.
    rule: Option<usize>,
}

/// How many requests of one key may be served at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    /// Pass at once.
    pub(super) conn: u64,
    /// Pass after a delay.
    pub(super) burst: u64,
}

impl Limit {
    /// The limits of a configuration.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn compile(config: &Config) -> Result<Vec<Self>, String> {
        match (&config.conn, &config.burst, &config.key, &config.rules) {
            (Some(conn), Some(burst), Some(key), None) => Ok(vec![Self {
                key: match config.key_type {
                    KeyType::Var => KeySource::variable(key),
                    KeyType::VarCombination => KeySource::template(key),
                },
                ..Self::new("", conn, burst)?
            }]),
            (_, _, _, Some(rules)) => {
                let rules = rules.iter().enumerate().map(|(position, rule)| {
                    Ok(Self {
                        key: KeySource::template(&rule.key),
                        rule: Some(position + 1),
                        ..Self::new(&format!("rules[{position}]."), &rule.conn, &rule.burst)?
                    })
                });
                rules.collect()
            }
            _ => Err("either conn, burst and key, or rules must be given".into()),
        }
    }

    fn new(place: &str, conn: &Amount, burst: &Amount) -> Result<Self, String> {
        let conn = CompiledAmount::parse(&format!("{place}conn"), conn, Least::AboveZero)?;
        let burst = CompiledAmount::parse(&format!("{place}burst"), burst, Least::Zero)?;
        Ok(Self {
            conn,
            burst,
            key: KeySource::Constant(String::new()),
            rule: None,
        })
    }

    /// What this request has room in; `None` when a template gives no whole number in range.
    pub(super) fn room(&self, context: &Context) -> Option<Room> {
        Some(Room {
            conn: self.conn.of(context)?,
            burst: self.burst.of(context)?,
        })
    }

    /// Key of the count; `None` when a rule's key resolves to nothing: it then does not apply.
    pub(super) fn key<'c>(&'c self, context: &'c Context) -> Option<Cow<'c, str>> {
        match self.rule {
            None => Some(self.key.resolve_or_client(context)),
            Some(rule) => {
                let value = self.key.resolve(context)?;
                // Two rules may resolve to the same value and count apart.
                Some(Cow::Owned(format!("{rule}\u{0}{value}")))
            }
        }
    }
}
