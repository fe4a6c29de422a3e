//! Sans-IO. Reads an expression from left to right. Groups lie on a list, not on the stack.

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange, Hir, Look};

use super::limit::{Limits, failed};
use super::node::{Case, Count, Node};
use super::{class, escape, group, repeat, unicode};
use crate::error::{RegexError, RegexProblem};

/// Reads an expression.
pub(super) fn expression(source: &str) -> Result<Hir, RegexError> {
    let mut parser = Parser {
        rest: source,
        flags: Flags::default(),
        groups: Vec::new(),
        group: Group::default(),
        repeated: None,
        limits: Limits::new(source),
    };
    while let Some(c) = parser.rest.chars().next() {
        let repeated = parser.repeated.take();
        parser.step(c, repeated)?;
    }
    if !parser.groups.is_empty() {
        return Err(parser.limits.whole(RegexProblem::MissingParenthesis));
    }
    let group = std::mem::take(&mut parser.group);
    parser.finish(group).map(|node| node.hir)
}

/// What letters behind `(?` have set.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags {
    /// `i`: case is ignored.
    pub(super) ignore_case: bool,
    /// `m`: `^` and `$` match at lines.
    pub(super) lines: bool,
    /// `s`: `.` matches the end of a line.
    pub(super) dot_all: bool,
    /// `U`: lazy is greedy, greedy is lazy.
    pub(super) lazy: bool,
}

impl Flags {
    pub(super) const fn case(self) -> Case {
        if self.ignore_case {
            Case::Ignored
        } else {
            Case::Sensitive
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
    flags: Flags,
    /// The groups around the current one.
    groups: Vec<Group>,
    group: Group,
    /// The text from the repetition operator on that has just been read.
    repeated: Option<&'a str>,
    limits: Limits<'a>,
}

/// A group that is not closed yet.
#[derive(Debug, Default)]
struct Group {
    alternatives: Vec<Node>,
    sequence: Vec<Node>,
    /// The flags that hold again behind it.
    flags: Flags,
    kind: group::Kind,
}

impl<'a> Parser<'a> {
    /// Reads what begins with `c`; `repeated` is set directly behind a repetition operator.
    fn step(&mut self, c: char, repeated: Option<&'a str>) -> Result<(), RegexError> {
        match c {
            '(' => self.open(),
            ')' => self.close(),
            '|' => {
                self.skip(1);
                self.alternative()
            }
            '^' if self.flags.lines => self.look(1, Look::StartLF),
            '^' => self.look(1, Look::Start),
            '$' if self.flags.lines => self.look(1, Look::EndLF),
            '$' => self.look(1, Look::End),
            '.' => self.dot(),
            '[' => self.class(),
            '*' | '+' | '?' | '{' => self.repetition(repeated),
            '\\' => self.backslash(),
            _ => {
                self.skip(c.len_utf8());
                self.literal(u32::from(c))
            }
        }
    }

    fn open(&mut self) -> Result<(), RegexError> {
        let opening = group::open(self.rest, self.flags)?;
        self.rest = opening.rest;
        let Some(kind) = opening.kind else {
            self.flags = opening.flags;
            return Ok(());
        };
        let inner = Group {
            kind,
            flags: self.flags,
            ..Group::default()
        };
        self.groups.push(std::mem::replace(&mut self.group, inner));
        self.flags = opening.flags;
        Ok(())
    }

    fn close(&mut self) -> Result<(), RegexError> {
        let Some(outer) = self.groups.pop() else {
            return Err(self.limits.whole(RegexProblem::UnexpectedParenthesis));
        };
        self.skip(1);
        let inner = std::mem::replace(&mut self.group, outer);
        self.flags = inner.flags;
        let kind = inner.kind;
        let node = self.finish(inner)?;
        match kind {
            group::Kind::Capturing => self.push(node.captured()),
            group::Kind::Plain => self.push(node),
        }
    }

    /// Ends the current alternative.
    fn alternative(&mut self) -> Result<(), RegexError> {
        let sequence = std::mem::take(&mut self.group.sequence);
        let node = self.sequence(sequence)?;
        self.group.alternatives.push(node);
        Ok(())
    }

    fn finish(&mut self, group: Group) -> Result<Node, RegexError> {
        let mut alternatives = group.alternatives;
        alternatives.push(self.sequence(group.sequence)?);
        let node = Node::alternation(alternatives);
        self.limits.check(&node, 0)?;
        Ok(node)
    }

    fn sequence(&mut self, parts: Vec<Node>) -> Result<Node, RegexError> {
        let node = if parts.is_empty() {
            Node::empty()
        } else {
            Node::concat(parts)
        };
        self.limits.check(&node, 0)?;
        Ok(node)
    }

    fn repetition(&mut self, repeated: Option<&'a str>) -> Result<(), RegexError> {
        let before = self.rest;
        let Some((count, after)) = repeat::operator(before)? else {
            self.skip(1);
            return self.literal(u32::from('{'));
        };
        let (greedy, after) = match after.strip_prefix('?') {
            Some(after) => (self.flags.lazy, after),
            None => (!self.flags.lazy, after),
        };
        if let Some(outer) = repeated {
            let both = &outer[..outer.len() - after.len()];
            return Err(failed(RegexProblem::NestedRepetition, both));
        }
        let operator = &before[..before.len() - after.len()];
        let Some(part) = self.group.sequence.pop() else {
            return Err(failed(RegexProblem::MissingArgument, operator));
        };
        self.rest = after;
        self.repeated = Some(before);
        self.repeat(part, Count { greedy, ..count }, operator)
    }

    fn repeat(&mut self, part: Node, count: Count, operator: &str) -> Result<(), RegexError> {
        let node = part.repeated(count);
        self.limits.check(&node, 0)?;
        if count.counted && repeat::is_too_often(count, node.product) {
            return Err(failed(RegexProblem::RepeatCount, operator));
        }
        self.group.sequence.push(node);
        Ok(())
    }

    fn backslash(&mut self) -> Result<(), RegexError> {
        match self.rest.as_bytes().get(1) {
            Some(b'A') => return self.look(2, Look::Start),
            Some(b'z') => return self.look(2, Look::End),
            Some(b'b') => return self.look(2, Look::WordAscii),
            Some(b'B') => return self.look(2, Look::WordAsciiNegate),
            Some(b'Q') => return self.quoted(),
            _ => {}
        }
        if let Some((set, rest)) = unicode::escape(self.rest, self.flags)? {
            self.rest = rest;
            return self.set(set);
        }
        if let Some((set, rest)) = class::perl(self.rest, self.flags) {
            self.rest = rest;
            return self.set(set);
        }
        let (code, rest) = escape::character(self.rest)?;
        self.rest = rest;
        self.literal(code)
    }

    /// Reads `\Q…\E`, whose end may be missing.
    fn quoted(&mut self) -> Result<(), RegexError> {
        let text = &self.rest[2..];
        let (text, rest) = text.split_once("\\E").unwrap_or((text, ""));
        self.rest = rest;
        text.chars().try_for_each(|c| self.literal(u32::from(c)))
    }

    fn class(&mut self) -> Result<(), RegexError> {
        let (set, rest) = class::bracketed(self.rest, self.flags)?;
        self.rest = rest;
        self.set(set)
    }

    fn dot(&mut self) -> Result<(), RegexError> {
        self.skip(1);
        let mut set = ClassUnicode::empty();
        if !self.flags.dot_all {
            set.push(ClassUnicodeRange::new('\n', '\n'));
        }
        set.negate();
        self.set(set)
    }

    fn set(&mut self, set: ClassUnicode) -> Result<(), RegexError> {
        let ends = 2 * set.ranges().len();
        let single = match set.ranges() {
            [range] if range.start() == range.end() => Some(range.start()),
            _ => None,
        };
        let node = match single {
            Some(c) => Node::literal(u32::from(c), Case::Sensitive),
            None => Node::class(set),
        };
        self.limits.check(&node, ends)?;
        self.group.sequence.push(node);
        Ok(())
    }

    fn literal(&mut self, code: u32) -> Result<(), RegexError> {
        let node = Node::literal(code, self.flags.case());
        self.limits.check(&node, 1)?;
        self.group.sequence.push(node);
        Ok(())
    }

    fn look(&mut self, length: usize, look: Look) -> Result<(), RegexError> {
        self.skip(length);
        self.push(Node::look(look))
    }

    fn push(&mut self, node: Node) -> Result<(), RegexError> {
        self.limits.check(&node, 0)?;
        self.group.sequence.push(node);
        Ok(())
    }

    fn skip(&mut self, length: usize) {
        self.rest = &self.rest[length..];
    }
}
