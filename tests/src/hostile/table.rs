//! The counts by class, as they are printed.

use std::collections::BTreeMap;
use std::fmt;

use super::judge::{Grade, Problem};

/// How many cases of a class are safe, clean and strict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Cases.
    pub cases: usize,
    /// One reading.
    pub safe: usize,
    /// And nothing left over.
    pub clean: usize,
    /// And as the rules prefer.
    pub strict: usize,
}

/// Counts of every class, and what was wrong.
#[derive(Default)]
pub struct Table {
    classes: BTreeMap<String, Counts>,
    problems: Vec<String>,
}

impl Table {
    /// Adds the result of a case.
    pub fn add(&mut self, class: &str, id: &str, problems: &[Problem]) {
        let counts = self.classes.entry(class.to_owned()).or_default();
        let worst = problems.iter().map(|problem| problem.grade).max();
        counts.cases += 1;
        counts.safe += usize::from(worst < Some(Grade::Unsafe));
        counts.clean += usize::from(worst < Some(Grade::Unclean));
        counts.strict += usize::from(worst.is_none());
        let told = problems
            .iter()
            .map(|problem| format!("{:?}: {class}/{id}: {}", problem.grade, problem.text));
        self.problems.extend(told);
    }

    /// Counts over all classes.
    #[must_use]
    pub fn total(&self) -> Counts {
        self.classes
            .values()
            .fold(Counts::default(), |sum, one| Counts {
                cases: sum.cases + one.cases,
                safe: sum.safe + one.safe,
                clean: sum.clean + one.clean,
                strict: sum.strict + one.strict,
            })
    }

    /// Everything that was wrong, one line each.
    #[must_use]
    pub fn problems(&self) -> String {
        self.problems.join("\n")
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<14}{:>7}{:>7}{:>7}{:>8}",
            "class", "cases", "safe", "clean", "strict"
        )?;
        let total = ("total".to_owned(), self.total());
        for (name, counts) in self.classes.iter().chain([(&total.0, &total.1)]) {
            let Counts {
                cases,
                safe,
                clean,
                strict,
            } = counts;
            writeln!(f, "{name:<14}{cases:>7}{safe:>7}{clean:>7}{strict:>8}")?;
        }
        Ok(())
    }
}
