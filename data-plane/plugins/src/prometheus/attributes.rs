//! What the settings of an agent say of all metrics (`plugin_attr.prometheus`).

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use weir_model::field::variable::{Var, Variable, Variables};
use weir_plugin_api::Context;

use super::{STATUS_LABELS, TRAFFIC_LABELS};

/// Labels that a metric may have beside its own.
const MOST_LABELS: usize = 16;

/// Bytes of a value that a request gives; what is longer is cut off.
const LONGEST_VALUE: usize = 128;

/// Buckets of a histogram.
const MOST_BUCKETS: usize = 100;

/// What buckets have to be.
const BUCKETS_EXPECTED: &str = "1 to 100 numbers above 0, each greater than the one before";

/// The attributes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attributes {
    /// Labels beside those of a metric, by metric: name, and variable of the request without `$`.
    extra_labels: BTreeMap<String, Vec<(String, String)>>,
    /// Upper bounds of `http_latency`, in milliseconds.
    default_buckets: Option<Vec<f64>>,
}

impl Attributes {
    /// The metrics that can have further labels.
    pub const METRICS: [&'static str; 3] = ["http_status", "http_latency", "bandwidth"];

    /// Gives a metric a further label, which tells a variable of the request (`$upstream_addr`).
    ///
    /// # Errors
    /// What is expected instead.
    pub fn add_label(
        &mut self,
        metric: &'static str,
        name: &str,
        variable: &str,
    ) -> Result<(), &'static str> {
        let Some(variable) = variable.strip_prefix('$').filter(|rest| !rest.is_empty()) else {
            return Err("a variable such as $upstream_addr");
        };
        if !is_label(name) {
            return Err("a name of letters, digits and _ that does not begin with a digit or __");
        }
        let labels = self.extra_labels.entry(metric.to_owned()).or_default();
        let own = match metric {
            "http_status" => STATUS_LABELS.contains(&name),
            _ => ["type", "le"].contains(&name) || TRAFFIC_LABELS.contains(&name),
        };
        if own || labels.iter().any(|(known, _)| known == name) {
            return Err("a name that the metric does not have yet");
        }
        if labels.len() >= MOST_LABELS {
            return Err("at most 16 labels");
        }
        labels.push((name.to_owned(), variable.to_owned()));
        Ok(())
    }

    /// Sets the bounds of `http_latency`, in milliseconds.
    ///
    /// # Errors
    /// What is expected instead.
    pub fn set_buckets(&mut self, bounds: Vec<f64>) -> Result<(), &'static str> {
        let rising = bounds.is_sorted_by(|left, right| left < right);
        let good = rising
            && (1..=MOST_BUCKETS).contains(&bounds.len())
            && bounds.iter().all(|bound| bound.is_finite() && *bound > 0.0);
        if !good {
            return Err(BUCKETS_EXPECTED);
        }
        self.default_buckets = Some(bounds);
        Ok(())
    }

    /// The bounds that were set.
    pub(super) fn buckets(&self) -> Option<&[f64]> {
        self.default_buckets.as_deref()
    }

    /// The further labels of a metric.
    pub(super) fn labels_of(&self, metric: &str) -> ExtraLabels {
        let labels = self.extra_labels.get(metric);
        let labels = labels.into_iter().flatten();
        ExtraLabels(
            labels
                .map(|(name, variable)| (Box::from(name.as_str()), Variable::parse(variable)))
                .collect(),
        )
    }
}

/// Further labels of a metric.
#[derive(Debug, Default)]
pub(super) struct ExtraLabels(Box<[(Box<str>, Variable)]>);

impl ExtraLabels {
    /// The labels of a metric with these of its own.
    pub(super) fn behind<'l>(&'l self, own: &[&'l str]) -> Vec<&'l str> {
        let further = self.0.iter().map(|(name, _)| &**name);
        own.iter().copied().chain(further).collect()
    }

    /// What a request says to them; nothing is an empty text.
    pub(super) fn values<'c>(&self, context: &'c Context) -> impl Iterator<Item = Cow<'c, str>> {
        self.0.iter().map(|(_, variable)| {
            let value = context.get(variable).map(Var::into_text);
            cut(value.unwrap_or_default())
        })
    }
}

fn cut(value: Cow<'_, str>) -> Cow<'_, str> {
    if value.len() <= LONGEST_VALUE {
        return value;
    }
    let end = value.floor_char_boundary(LONGEST_VALUE);
    Cow::Owned(value.get(..end).unwrap_or_default().to_owned())
}

fn is_label(name: &str) -> bool {
    let mut bytes = name.bytes();
    let first = bytes.next();
    first.is_some_and(|byte| byte == b'_' || byte.is_ascii_alphabetic())
        && bytes.all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
        && !name.starts_with("__")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_cannot_be_are_refused() {
        let mut attributes = Attributes::default();
        for (metric, name, variable) in [
            ("http_status", "code", "$host"),
            ("http_status", "a-b", "$host"),
            ("http_status", "1a", "$host"),
            ("http_status", "__a", "$host"),
            ("http_status", "", "$host"),
            ("http_status", "a", "host"),
            ("http_status", "a", "$"),
            ("http_latency", "le", "$host"),
            ("bandwidth", "type", "$host"),
            ("bandwidth", "node", "$host"),
        ] {
            let added = attributes.add_label(metric, name, variable);
            assert!(added.is_err(), "{metric} {name} {variable}");
        }
        attributes
            .add_label("bandwidth", "code", "$status")
            .unwrap();
        let again = attributes.add_label("bandwidth", "code", "$host");
        assert_eq!(again, Err("a name that the metric does not have yet"));
        for number in 1..MOST_LABELS {
            let name = format!("l{number}");
            attributes.add_label("bandwidth", &name, "$host").unwrap();
        }
        let beyond = attributes.add_label("bandwidth", "more", "$host");
        assert_eq!(beyond, Err("at most 16 labels"));
    }

    #[test]
    fn buckets_rise_from_above_zero() {
        let mut attributes = Attributes::default();
        for wrong in [
            vec![],
            vec![0.0, 1.0],
            vec![2.0, 1.0],
            vec![1.0, 1.0],
            vec![f64::NAN],
            vec![1.0, f64::INFINITY],
            (1..=101).map(f64::from).collect(),
        ] {
            assert!(attributes.set_buckets(wrong.clone()).is_err(), "{wrong:?}");
        }
        attributes.set_buckets(vec![0.5, 15.0]).unwrap();
        assert_eq!(attributes.buckets(), Some(&[0.5, 15.0][..]));
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let long = format!("a{}", "ä".repeat(LONGEST_VALUE));
        assert_eq!(cut(Cow::Borrowed(&long)).len(), LONGEST_VALUE - 1);
        assert_eq!(cut(Cow::Borrowed("short")), "short");
    }
}
