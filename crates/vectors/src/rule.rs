//! Where the program does something else on purpose.

use serde_json::Value;

use crate::Verdict;

/// A deliberate difference. Its row stands in `proto/vectors/DIFFERENCES.md`.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// What it goes by there.
    pub name: &'static str,
    /// Changes what is expected of a case, if the situation is the rule's.
    pub apply: fn(&Value, &mut Value) -> bool,
}

/// Judges a case by what was recorded and then, where that is not what came, by what the rules ask
/// for; `compare` tells what is wrong, if anything.
pub fn judge(rules: &[Rule], case: &Value, compare: impl Fn(&Value) -> Result<(), String>) -> Verdict {
    let mut expect = case["expect"].clone();
    let Err(reason) = compare(&expect) else {
        return Verdict::Same;
    };
    let mut first = None;
    for rule in rules {
        if (rule.apply)(case, &mut expect) {
            first = first.or(Some(rule.name));
        }
    }
    match (first, compare(&expect)) {
        (Some(rule), Ok(())) => Verdict::Differs(rule),
        (Some(rule), Err(reason)) => Verdict::Wrong(format!("by {rule}: {reason}")),
        (None, _) => Verdict::Wrong(reason),
    }
}
