//! Recorded cases of upstream's behaviour, and the judgement of a test against them.
//!
//! A test opens a [`File`], gives a [`Verdict`] on each of its cases and calls [`Report::finish`],
//! which prints `name: passed/total` and fails the test when a case is [`Verdict::Wrong`]:
//!
//! ```no_run
//! let Some(file) = adit_vectors::File::open("edge-backoff") else { return };
//! let mut report = file.report();
//! for case in file.cases("vectors") {
//!     report.give(&case["name"], adit_vectors::same(&1, &1));
//! }
//! report.finish();
//! ```
//!
//! The directory is `ADIT_VECTORS`, by default `proto/vectors`. A deliberate difference is a rule
//! that recognises a situation: its code is the test's, its row stands in
//! `proto/vectors/DIFFERENCES.md` under the same name, and a verdict that names a rule without a
//! row is wrong.

pub mod corpus;
#[expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be"
)]
pub mod isolation;
#[expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be"
)]
mod parallel;
mod rule;
pub mod service;

use std::fmt::Debug;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

pub use rule::{Rule, judge};

/// One file of recorded cases.
#[derive(Debug)]
pub struct File {
    name: String,
    content: Value,
}

/// What a test found out about one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The outcome is the recorded one.
    Same,
    /// The outcome is another one on purpose, and what the rule of this name asks for.
    Differs(&'static str),
    /// The outcome is not acceptable, for this reason.
    Wrong(String),
}

/// The verdicts on the cases of one file.
#[derive(Debug)]
pub struct Report {
    name: String,
    passed: usize,
    by_rule: usize,
    wrong: Vec<String>,
    rules: Vec<String>,
}

/// Compares an outcome with the recorded one.
pub fn same<T: PartialEq + Debug + ?Sized>(outcome: &T, recorded: &T) -> Verdict {
    if outcome == recorded {
        return Verdict::Same;
    }
    Verdict::Wrong(format!("outcome:  {outcome:?}\n    recorded: {recorded:?}"))
}

/// Returns the directory of the recorded cases.
#[must_use]
pub fn directory() -> PathBuf {
    given_directory().unwrap_or_else(own_directory)
}

impl File {
    /// Opens `name.json` in the directory of recorded cases.
    ///
    /// Returns nothing when a directory was given that does not hold this file.
    ///
    /// # Panics
    ///
    /// Panics when the file cannot be read or is no JSON, and when the project's own is missing.
    #[must_use]
    pub fn open(name: &str) -> Option<Self> {
        let path = directory().join(name).with_extension("json");
        if !path.exists() && given_directory().is_some() {
            say(&format!("{name}: not in {}", directory().display()));
            return None;
        }
        let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let content =
            serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Some(Self {
            name: name.to_owned(),
            content,
        })
    }

    /// Returns the cases that stand under `key`.
    ///
    /// # Panics
    ///
    /// Panics when there is no such list.
    #[must_use]
    pub fn cases(&self, key: &str) -> &[Value] {
        let Some(cases) = self.content[key].as_array() else {
            panic!("{}: no list `{key}`", self.name)
        };
        cases
    }

    /// Returns the whole content.
    #[must_use]
    pub const fn content(&self) -> &Value {
        &self.content
    }

    /// Starts a report on this file.
    #[must_use]
    pub fn report(&self) -> Report {
        self.report_as(&self.name)
    }

    /// Starts a report that goes by another name: one file may be read in several ways.
    #[must_use]
    pub fn report_as(&self, name: &str) -> Report {
        Report {
            name: name.to_owned(),
            passed: 0,
            by_rule: 0,
            wrong: Vec::new(),
            rules: rules(),
        }
    }
}

impl Report {
    /// Records the verdict on the case called `case`.
    pub fn give(&mut self, case: &Value, verdict: Verdict) {
        let case = case.as_str().map_or_else(|| case.to_string(), str::to_owned);
        match verdict {
            Verdict::Same => self.passed += 1,
            Verdict::Differs(rule) if self.rules.iter().any(|known| known == rule) => {
                self.passed += 1;
                self.by_rule += 1;
            }
            Verdict::Differs(rule) => self
                .wrong
                .push(format!("{case}: DIFFERENCES.md has no rule `{rule}`")),
            Verdict::Wrong(reason) => self.wrong.push(format!("{case}: {reason}")),
        }
    }

    /// Prints `name: passed/total`.
    ///
    /// # Panics
    ///
    /// Panics when a case is wrong, naming the first of them, and when there was no case at all.
    pub fn finish(self) {
        let total = self.passed + self.wrong.len();
        let by_rule = if self.by_rule == 0 {
            String::new()
        } else {
            format!(" ({} by DIFFERENCES.md)", self.by_rule)
        };
        say(&format!("{}: {}/{total}{by_rule}", self.name, self.passed));
        assert!(total > 0, "{}: no case", self.name);
        let shown: Vec<_> = self.wrong.iter().take(SHOWN).map(String::as_str).collect();
        assert!(
            self.wrong.is_empty(),
            "{}: {} wrong\n  {}",
            self.name,
            self.wrong.len(),
            shown.join("\n  ")
        );
    }
}

/// Wrong cases that are shown in full.
const SHOWN: usize = 12;

/// Prints a line that the test harness does not hold back.
///
/// # Panics
///
/// Panics when standard output is closed.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let told = out.write_all(format!("{line}\n").as_bytes());
    told.expect("standard output takes a line");
}

#[expect(
    clippy::disallowed_methods,
    reason = "the directory of recorded cases is a parameter of the tests"
)]
fn given_directory() -> Option<PathBuf> {
    std::env::var_os("ADIT_VECTORS").map(|given| workspace().join(given))
}

fn own_directory() -> PathBuf {
    workspace().join("proto/vectors")
}

fn workspace() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors()
        .nth(2)
        .expect("this crate lies two folders below the workspace")
}

/// Returns the names of the deliberate differences: the first column of the table.
fn rules() -> Vec<String> {
    let table = std::fs::read_to_string(own_directory().join("DIFFERENCES.md")).unwrap_or_default();
    let rows = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    rows.map(|(rule, _)| rule.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "DIFFERENCES.md has no rule `made-up`")]
    fn a_rule_without_a_row_is_wrong() {
        let file = File {
            name: "none".into(),
            content: Value::Null,
        };
        let mut report = file.report();
        report.give(&"case".into(), Verdict::Differs("made-up"));
        report.finish();
    }
}
