//! Sans-IO. How large an expression may be.

use super::node::Node;
use crate::error::{RegexError, RegexProblem};

/// Levels that an expression may nest, as upstream's runtime has it.
pub(super) const MAX_HEIGHT: u32 = 1_000;

/// Instructions that an expression may compile to: upstream's 128 MiB of 40 bytes each.
const MAX_SIZE: u64 = (128 << 20) / 40;

/// Ends of ranges that the classes of an expression may hold: upstream's 128 MiB of 4 bytes each.
const MAX_ENDS: usize = (128 << 20) / 4;

/// The classes met so far, and the whole expression for messages.
#[derive(Debug)]
pub(super) struct Limits<'a> {
    source: &'a str,
    ends: usize,
}

impl<'a> Limits<'a> {
    pub(super) const fn new(source: &'a str) -> Self {
        Self { source, ends: 0 }
    }

    /// Checks a node that has come into being.
    pub(super) fn check(&mut self, node: &Node, ends: usize) -> Result<(), RegexError> {
        self.ends += ends;
        if self.ends > MAX_ENDS || node.size > MAX_SIZE {
            return Err(too_large(self.source));
        }
        if node.height > MAX_HEIGHT {
            return Err(self.whole(RegexProblem::Depth));
        }
        Ok(())
    }

    /// Returns an error whose fragment is the whole expression.
    pub(super) fn whole(&self, problem: RegexProblem) -> RegexError {
        failed(problem, self.source)
    }
}

pub(super) fn too_large(source: &str) -> RegexError {
    failed(RegexProblem::Size, source)
}

/// Returns an error about `fragment`.
pub(super) fn failed(problem: RegexProblem, fragment: &str) -> RegexError {
    RegexError {
        problem,
        fragment: fragment.to_owned(),
    }
}
