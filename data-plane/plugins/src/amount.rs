//! Numbers of the limiting plugins: whole ones, written as a number or as a template that gives one.

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

/// The largest amount: beyond it a float does not tell integers apart.
const MOST: f64 = 9_007_199_254_740_991.0;

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
            Least::AboveZero => "an integer above 0",
            Least::Zero => "an integer of 0 or more",
        }
    }

    /// The amount that a number is, when it is one.
    fn whole(self, number: f64) -> Option<u64> {
        let is_whole = number.fract() == 0.0 && number <= MOST;
        // In range, so that nothing is cut off.
        (is_whole && self.admits(number)).then_some(number as u64)
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
    Number(u64),
    Template(Template),
}

impl CompiledAmount {
    /// Reads the amount in `field`.
    ///
    /// # Errors
    /// It is neither an integer in range nor a template.
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
        let number = number.map_err(|got| wrong(&got))?;
        let number = least.whole(number).ok_or_else(|| wrong(&shown(amount)))?;
        Ok(Self {
            source: Source::Number(number),
            least,
        })
    }

    /// The amount for this request; `None` when the template gives no integer in range.
    pub(crate) fn of(&self, context: &Context) -> Option<u64> {
        match &self.source {
            Source::Number(number) => Some(*number),
            Source::Template(template) => {
                let text = template.render(context).text;
                number::parse(&text).and_then(|number| self.least.whole(number))
            }
        }
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
        let of = |n: &str| {
            let context = request(&format!("/?n={n}")).context(FakeHost::shared());
            amount.of(&context)
        };
        assert_eq!(of("7"), Some(7));
        assert_eq!(of("7.0"), Some(7));
        assert_eq!(of("9007199254740991"), Some(9_007_199_254_740_991));
        for bad in [
            "",
            "0",
            "-1",
            "1.5",
            "x",
            "nan",
            "inf",
            "1e300",
            "9007199254740993",
        ] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        assert!(parse(json!(0), Least::Zero).is_ok());
        assert!(parse(json!("0"), Least::Zero).is_ok());
        for (amount, least, expected) in [
            (
                json!(0),
                Least::AboveZero,
                "n must be an integer above 0 or a template, got 0",
            ),
            (
                json!("-1"),
                Least::Zero,
                "n must be an integer of 0 or more or a template, got \"-1\"",
            ),
            (
                json!("1.5"),
                Least::Zero,
                "n must be an integer of 0 or more or a template, got \"1.5\"",
            ),
            (
                json!("many"),
                Least::AboveZero,
                "n must be an integer above 0 or a template, got \"many\"",
            ),
        ] {
            assert_eq!(parse(amount, least).unwrap_err(), expected);
        }
    }
}
