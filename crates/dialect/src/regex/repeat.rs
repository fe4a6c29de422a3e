//! Sans-IO. Repetition operators.

use super::limit::failed;
use super::node::Count;
use crate::error::{RegexError, RegexProblem};

/// The largest repeat count, and the largest product of nested ones.
const MAX_REPEAT: u32 = 1_000;

/// Reads the repetition operator with which `text` begins, without the `?` that makes it lazy.
///
/// Returns nothing for a brace that begins no repetition; it stands for itself.
pub(super) fn operator(text: &str) -> Result<Option<(Count, &str)>, RegexError> {
    let simple = |min, max| {
        let count = Count {
            min,
            max,
            greedy: true,
            counted: false,
        };
        Ok(Some((count, &text[1..])))
    };
    match text.as_bytes().first() {
        Some(b'*') => simple(0, None),
        Some(b'+') => simple(1, None),
        Some(b'?') => simple(0, Some(1)),
        _ => braces(text),
    }
}

/// Tells whether counts are nested so that upstream refuses them.
pub(super) fn is_too_often(count: Count, product: u64) -> bool {
    let twice = count.min >= 2 || count.max.is_some_and(|max| max >= 2);
    twice && product > u64::from(MAX_REPEAT)
}

fn braces(text: &str) -> Result<Option<(Count, &str)>, RegexError> {
    let Some((min, max, rest)) = text.strip_prefix('{').and_then(bounds) else {
        return Ok(None);
    };
    let out_of_range = min > MAX_REPEAT || max.is_some_and(|max| max > MAX_REPEAT || max < min);
    if out_of_range {
        let operator = &text[..text.len() - rest.len()];
        return Err(failed(RegexProblem::RepeatCount, operator));
    }
    let count = Count {
        min,
        max,
        greedy: true,
        counted: true,
    };
    Ok(Some((count, rest)))
}

/// Reads `n}`, `n,}` or `n,m}`.
fn bounds(text: &str) -> Option<(u32, Option<u32>, &str)> {
    let (min, rest) = number(text)?;
    if let Some(rest) = rest.strip_prefix('}') {
        return Some((min, Some(min), rest));
    }
    let rest = rest.strip_prefix(',')?;
    if let Some(rest) = rest.strip_prefix('}') {
        return Some((min, None, rest));
    }
    let (max, rest) = number(rest)?;
    Some((min, Some(max), rest.strip_prefix('}')?))
}

/// Reads a number without leading zeros; one that does not fit is the largest one.
fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    Some((digits.parse().unwrap_or(u32::MAX), rest))
}
