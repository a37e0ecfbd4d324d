//! Samplers of OpenTelemetry.

use super::config::{Root, SamplerConfig, SamplerName};

/// A sampler.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Sampler {
    Always(bool),
    /// Below this number of 63 bits, by the low half of the id of the trace.
    Below(u64),
    /// What the parent says; without one the other.
    Parent(Rootless),
}

/// A sampler that looks at no parent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Rootless {
    Always(bool),
    Below(u64),
}

impl Sampler {
    pub(super) fn new(config: &SamplerConfig) -> Result<Self, String> {
        let options = &config.options;
        Ok(match config.name {
            SamplerName::AlwaysOn => Self::Always(true),
            SamplerName::AlwaysOff => Self::Always(false),
            SamplerName::TraceIdRatio => {
                Self::Below(bound("sampler.options.fraction", options.fraction)?)
            }
            SamplerName::ParentBase => Self::Parent(Rootless::new(&options.root)?),
        })
    }

    /// Whether a trace is sampled; `parent` is what the client says.
    pub(super) fn samples(self, trace_id: u128, parent: Option<bool>) -> bool {
        match (self, parent) {
            (Self::Always(sampled), _) => sampled,
            (Self::Below(bound), _) => is_below(trace_id, bound),
            (Self::Parent(_), Some(sampled)) => sampled,
            (Self::Parent(Rootless::Always(sampled)), None) => sampled,
            (Self::Parent(Rootless::Below(bound)), None) => is_below(trace_id, bound),
        }
    }
}

impl Rootless {
    fn new(root: &Root) -> Result<Self, String> {
        Ok(match root.name {
            SamplerName::AlwaysOn => Self::Always(true),
            SamplerName::TraceIdRatio => {
                let fraction = root.options.fraction;
                Self::Below(bound("sampler.options.root.options.fraction", fraction)?)
            }
            SamplerName::AlwaysOff => Self::Always(false),
            SamplerName::ParentBase => {
                return Err("sampler.options.root.name: a root sampler has no parent".into());
            }
        })
    }
}

fn bound(place: &str, fraction: f64) -> Result<u64, String> {
    if !(0.0..=1.0).contains(&fraction) {
        return Err(format!(
            "{place}: expected a number from 0 to 1, got {fraction}"
        ));
    }
    // Rounds down; what does not fit stops at the largest number.
    Ok((fraction * (1_u64 << 63) as f64) as u64)
}

fn is_below(trace_id: u128, bound: u64) -> bool {
    let low = (trace_id & u128::from(u64::MAX)) as u64;
    low >> 1 < bound
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn sampler(config: Value) -> Result<Sampler, String> {
        Sampler::new(&serde_json::from_value(config).unwrap())
    }

    #[test]
    fn a_ratio_looks_at_the_trace() {
        let half =
            sampler(json!({"name": "trace_id_ratio", "options": {"fraction": 0.5}})).unwrap();
        assert!(half.samples(0, Some(false)));
        assert!(half.samples(u128::from(u64::MAX / 2), None));
        assert!(!half.samples(u128::from(u64::MAX / 2 + 2), None));
        assert!(half.samples(1 << 64, None));
        let all = sampler(json!({"name": "trace_id_ratio", "options": {"fraction": 1}})).unwrap();
        assert!(all.samples(u128::MAX, None));
        let none = sampler(json!({"name": "trace_id_ratio"})).unwrap();
        assert!(!none.samples(0, Some(true)));
    }

    #[test]
    fn a_parent_decides_when_there_is_one() {
        let root = json!({"name": "parent_base", "options": {"root": {"name": "always_on"}}});
        let parent = sampler(root).unwrap();
        assert!(parent.samples(1, None));
        assert!(!parent.samples(1, Some(false)));
        let off = sampler(json!({"name": "parent_base"})).unwrap();
        assert!(!off.samples(1, None));
        assert!(off.samples(1, Some(true)));
        assert!(!sampler(json!({})).unwrap().samples(1, Some(true)));
    }

    #[test]
    fn fractions_are_from_0_to_1() {
        for fraction in [-0.1, 1.1] {
            let config = json!({"name": "trace_id_ratio", "options": {"fraction": fraction}});
            let text = sampler(config).unwrap_err();
            assert!(text.starts_with("sampler.options.fraction: "), "{text}");
        }
    }
}
