//! Numbers of the limiting plugins: written as a number, or as a template that gives one.

use serde::{Deserialize, Serialize};
use serde_json::Number;
use weir_model::field::number;
use weir_model::field::template::Template;
use weir_plugin_api::Context;

/// A number, or a template that gives one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Amount {
    /// The number.
    Number(Number),
    /// The template.
    Template(String),
}

/// The smallest amount that makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Least {
    /// More than nothing.
    AboveZero,
    /// Nothing at all is fine.
    Zero,
}

impl Least {
    fn admits(self, amount: f64) -> bool {
        match self {
            Least::AboveZero => amount > 0.0,
            Least::Zero => amount >= 0.0,
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Least::AboveZero => "a number above 0",
            Least::Zero => "a number of 0 or more",
        }
    }
}

/// An amount, ready to be asked for.
#[derive(Debug)]
pub(crate) struct CompiledAmount {
    source: Source,
    least: Least,
}

#[derive(Debug)]
enum Source {
    Number(f64),
    Template(Template),
}

impl CompiledAmount {
    /// Reads the amount in `field`.
    ///
    /// # Errors
    /// It is neither a number in range nor a template.
    pub(crate) fn parse(field: &str, amount: &Amount, least: Least) -> Result<Self, String> {
        let wrong = |got: &str| {
            let expected = least.text();
            format!("{field} must be {expected} or a template, got {got}")
        };
        let number = match amount {
            Amount::Number(value) => value.as_f64().ok_or_else(|| value.to_string()),
            Amount::Template(text) => {
                let template = Template::parse(text);
                if !template.is_constant() {
                    let source = Source::Template(template);
                    return Ok(Self { source, least });
                }
                number::parse(text).ok_or_else(|| format!("{text:?}"))
            }
        };
        match number {
            Ok(number) if least.admits(number) => Ok(Self {
                source: Source::Number(number),
                least,
            }),
            Ok(_) => Err(wrong(&shown(amount))),
            Err(got) => Err(wrong(&got)),
        }
    }

    /// The amount for this request; `None` when the template gives no number in range.
    pub(crate) fn of(&self, context: &Context) -> Option<f64> {
        match &self.source {
            Source::Number(number) => Some(*number),
            Source::Template(template) => {
                let text = template.render(context).text;
                number::parse(&text).filter(|number| self.least.admits(*number))
            }
        }
    }

    /// The amount for this request, when it is whole.
    pub(crate) fn whole(&self, context: &Context) -> Option<u64> {
        let number = self.of(context).filter(|number| number.fract() == 0.0)?;
        // A float becomes the nearest integer in range.
        Some(number as u64)
    }
}

fn shown(amount: &Amount) -> String {
    match amount {
        Amount::Number(number) => number.to_string(),
        Amount::Template(text) => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use weir_plugin_api::testkit::{FakeHost, request};

    use super::*;

    fn parse(amount: serde_json::Value, least: Least) -> Result<CompiledAmount, String> {
        CompiledAmount::parse("n", &serde_json::from_value(amount).unwrap(), least)
    }

    #[test]
    fn a_template_gives_a_number_per_request() {
        let amount = parse(json!("$arg_n"), Least::AboveZero).unwrap();
        let of = |target: &str| {
            let context = request(target).context(FakeHost::shared());
            (amount.of(&context), amount.whole(&context))
        };
        assert_eq!(of("/?n=7"), (Some(7.0), Some(7)));
        assert_eq!(of("/?n=1.5"), (Some(1.5), None));
        for bad in ["/", "/?n=0", "/?n=-1", "/?n=x", "/?n=nan"] {
            assert_eq!(of(bad), (None, None), "{bad}");
        }
        assert_eq!(of("/?n=1e300").1, Some(u64::MAX));
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        assert!(parse(json!(0), Least::Zero).is_ok());
        assert!(parse(json!("0"), Least::Zero).is_ok());
        for (amount, least, expected) in [
            (
                json!(0),
                Least::AboveZero,
                "n must be a number above 0 or a template, got 0",
            ),
            (
                json!("-1"),
                Least::Zero,
                "n must be a number of 0 or more or a template, got \"-1\"",
            ),
            (
                json!("many"),
                Least::AboveZero,
                "n must be a number above 0 or a template, got \"many\"",
            ),
        ] {
            assert_eq!(parse(amount, least).unwrap_err(), expected);
        }
    }
}
