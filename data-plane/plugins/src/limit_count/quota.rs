//! One limit of a configuration: how much, for how long, by what, and under which header names.

use std::borrow::Cow;
use std::time::Duration;

use http::HeaderName;
use weir_plugin_api::{Context, KeySource};

use super::BOTH;
use super::config::{Config, KeyType, Metadata, Rule};
use crate::amount::{CompiledAmount, Least};
use crate::header_edit::header_name;

/// Longest window, about a century: longer ones would overflow clocks.
const LONGEST: Duration = Duration::from_secs(3_155_760_000);

/// Names of the three quota headers of one limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct QuotaHeaders {
    pub(super) limit: HeaderName,
    pub(super) remaining: HeaderName,
    pub(super) reset: HeaderName,
}

impl QuotaHeaders {
    /// The names that the plugin metadata gives.
    ///
    /// # Errors
    /// Which of them is not a header name.
    pub(super) fn named(metadata: &Metadata) -> Result<Self, String> {
        Ok(Self {
            limit: header_name("limit_header", &metadata.limit_header)?,
            remaining: header_name("remaining_header", &metadata.remaining_header)?,
            reset: header_name("reset_header", &metadata.reset_header)?,
        })
    }

    /// The names of a rule: the usual ones with its prefix before `RateLimit-`, where they have that.
    fn prefixed(prefix: &str, metadata: &Metadata) -> Result<Self, String> {
        let name = |usual: &str| {
            let name = usual.replacen("RateLimit-", &format!("{prefix}-RateLimit-"), 1);
            HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| format!("header_prefix must fit in a header name, got {prefix:?}"))
        };
        Ok(Self {
            limit: name(&metadata.limit_header)?,
            remaining: name(&metadata.remaining_header)?,
            reset: name(&metadata.reset_header)?,
        })
    }
}

/// One limit, ready to be checked.
#[derive(Debug)]
pub(super) struct Quota {
    count: CompiledAmount,
    seconds: CompiledAmount,
    key: KeySource,
    /// Position among the rules; none when there is only `count` and `time_window`.
    rule: Option<usize>,
    pub(super) headers: QuotaHeaders,
}

impl Quota {
    /// Count and window of this request; `None` when a template gives no usable number.
    pub(super) fn amounts(&self, context: &Context) -> Option<(u64, Duration)> {
        let count = self.count.of(context)?;
        let length = Duration::from_secs(self.seconds.of(context)?);
        Some((count, length.min(LONGEST)))
    }

    /// Key of the counter; `None` when a rule's key resolves to nothing: it then does not apply.
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

/// The limits of a configuration.
///
/// # Errors
/// APISIX's text where it has one.
pub(super) fn compile(config: &Config, metadata: &Metadata) -> Result<Vec<Quota>, String> {
    let single = (&config.count, &config.time_window);
    match (single, &config.rules) {
        ((None, None), Some(rules)) => compile_rules(config, rules, metadata),
        (_, Some(_)) => Err(BOTH.into()),
        ((Some(count), Some(seconds)), None) => Ok(vec![Quota {
            count: CompiledAmount::parse("count", count, Least::AboveZero)?,
            seconds: CompiledAmount::parse("time_window", seconds, Least::AboveZero)?,
            key: match config.key_type {
                KeyType::Var => KeySource::variable(&config.key),
                KeyType::VarCombination => KeySource::template(&config.key),
                KeyType::Constant => KeySource::Constant(config.key.clone()),
            },
            rule: None,
            headers: QuotaHeaders::named(metadata)?,
        }]),
        (_, None) => Err("either count and time_window, or rules must be given".into()),
    }
}

fn compile_rules(
    config: &Config,
    rules: &[Rule],
    metadata: &Metadata,
) -> Result<Vec<Quota>, String> {
    if config.group.is_some() {
        return Err("group and rules cannot be specified at the same time".into());
    }
    let mut quotas: Vec<Quota> = Vec::with_capacity(rules.len());
    for (index, rule) in rules.iter().enumerate() {
        if rules.iter().take(index).any(|other| other.key == rule.key) {
            return Err(format!("duplicate key '{}' in rules", rule.key));
        }
        let position = index + 1;
        let prefix = match &rule.header_prefix {
            Some(prefix) => Cow::Borrowed(prefix.as_str()),
            None => Cow::Owned(position.to_string()),
        };
        quotas.push(Quota {
            count: CompiledAmount::parse(
                &format!("rules[{index}].count"),
                &rule.count,
                Least::AboveZero,
            )?,
            seconds: CompiledAmount::parse(
                &format!("rules[{index}].time_window"),
                &rule.time_window,
                Least::AboveZero,
            )?,
            key: KeySource::template(&rule.key),
            rule: Some(position),
            headers: QuotaHeaders::prefixed(&prefix, metadata)?,
        });
    }
    Ok(quotas)
}
