//! Sans-IO. A part of an expression: what it matches, and how large upstream would find it.

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, Hir, Look, Repetition};

/// A part of an expression.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) hir: Hir,
    /// Levels, as upstream counts them.
    pub(super) height: u32,
    /// Instructions, as upstream counts them.
    pub(super) size: u64,
    /// The largest product of nested repeat counts.
    pub(super) product: u64,
    shape: Shape,
}

/// What upstream would join a part with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Characters, to be matched in one case or in any.
    Literal(Case, Length),
    /// A set of characters.
    Class,
    Other,
}

/// Whether case matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    Sensitive,
    Ignored,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    One,
    More,
}

/// How often a part is repeated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Count {
    pub(super) min: u32,
    pub(super) max: Option<u32>,
    pub(super) greedy: bool,
    /// Whether it is written in braces.
    pub(super) counted: bool,
}

impl Node {
    /// Returns a part that matches nothing but the empty text.
    pub(super) fn empty() -> Self {
        Self::leaf(Hir::empty(), Shape::Other)
    }

    /// Returns a part that matches one character, given by its code.
    pub(super) fn literal(code: u32, case: Case) -> Self {
        let shape = Shape::Literal(case, Length::One);
        let Some(c) = char::from_u32(code) else {
            // Half of a surrogate pair stands in no text.
            return Self::leaf(Hir::fail(), shape);
        };
        if case == Case::Sensitive {
            let mut buffer = [0; 4];
            let text: &[u8] = c.encode_utf8(&mut buffer).as_bytes();
            return Self::leaf(Hir::literal(text), shape);
        }
        let mut class = ClassUnicode::new([ClassUnicodeRange::new(c, c)]);
        fold(&mut class);
        Self::leaf(Hir::class(Class::Unicode(class)), shape)
    }

    /// Returns a part that matches one character of a set.
    pub(super) fn class(class: ClassUnicode) -> Self {
        Self::leaf(Hir::class(Class::Unicode(class)), Shape::Class)
    }

    /// Returns a part that matches at a place.
    pub(super) fn look(look: Look) -> Self {
        Self::leaf(Hir::look(look), Shape::Other)
    }

    /// Returns `parts`, one behind the other.
    pub(super) fn concat(mut parts: Vec<Self>) -> Self {
        if parts.len() == 1 {
            return parts.swap_remove(0);
        }
        let runs = runs(&parts, |a, b| {
            a.literal_case().is_some() && a.literal_case() == b.literal_case()
        });
        let shape = match parts.first().and_then(Self::literal_case) {
            Some(case) if runs == 1 => Shape::Literal(case, Length::More),
            _ => Shape::Other,
        };
        let size = parts.iter().map(|part| part.size).fold(0, u64::saturating_add);
        Self::join(parts, shape, size, Hir::concat)
    }

    /// Returns what matches where one of `parts` does.
    pub(super) fn alternation(mut parts: Vec<Self>) -> Self {
        if parts.len() == 1 {
            return parts.swap_remove(0);
        }
        let runs = runs(&parts, |a, b| a.is_character() && b.is_character());
        let shape = if runs == 1 { Shape::Class } else { Shape::Other };
        let forks = u64::try_from(parts.len()).unwrap_or(u64::MAX) - 1;
        let size = parts
            .iter()
            .map(|part| part.size)
            .fold(forks, u64::saturating_add);
        Self::join(parts, shape, size, Hir::alternation)
    }

    /// Returns this part as a group that captures; what it captures is of no interest here.
    pub(super) fn captured(self) -> Self {
        Self {
            height: self.height + 1,
            size: self.size.saturating_add(2),
            shape: Shape::Other,
            ..self
        }
    }

    /// Returns this part, repeated.
    pub(super) fn repeated(self, count: Count) -> Self {
        Self {
            height: self.height + 1,
            size: repeated_size(self.size, count).max(1),
            product: self.product.saturating_mul(factor(count)),
            shape: Shape::Other,
            hir: Hir::repetition(Repetition {
                min: count.min,
                max: count.max,
                greedy: count.greedy,
                sub: Box::new(self.hir),
            }),
        }
    }

    fn leaf(hir: Hir, shape: Shape) -> Self {
        Self {
            hir,
            height: 1,
            size: 1,
            product: 1,
            shape,
        }
    }

    fn join(parts: Vec<Self>, shape: Shape, size: u64, hir: impl FnOnce(Vec<Hir>) -> Hir) -> Self {
        let highest = parts.iter().map(|part| part.height).max().unwrap_or_default();
        Self {
            height: if shape == Shape::Other { highest + 1 } else { 1 },
            size: size.max(1),
            product: parts.iter().map(|part| part.product).max().unwrap_or(1),
            shape,
            hir: hir(parts.into_iter().map(|part| part.hir).collect()),
        }
    }

    fn literal_case(&self) -> Option<Case> {
        match self.shape {
            Shape::Literal(case, _) => Some(case),
            Shape::Class | Shape::Other => None,
        }
    }

    fn is_character(&self) -> bool {
        matches!(self.shape, Shape::Class | Shape::Literal(_, Length::One))
    }
}

/// Adds to `class` what differs from its members only in case.
pub(super) fn fold(class: &mut ClassUnicode) {
    let folded = class.try_case_fold_simple();
    folded.expect("the tables of case folding are compiled in");
}

/// Counts runs of neighbours that belong together.
fn runs(parts: &[Node], together: impl Fn(&Node, &Node) -> bool) -> usize {
    let borders = parts.windows(2).filter(|pair| !together(&pair[0], &pair[1]));
    borders.count() + usize::from(!parts.is_empty())
}

/// Returns the instructions of a repetition: `x{2,5}` is `xx(x(x(x)?)?)?`.
fn repeated_size(size: u64, count: Count) -> u64 {
    let min = u64::from(count.min);
    match count.max.map(u64::from) {
        None if count.min == 0 => size.saturating_add(2),
        None if !count.counted => size.saturating_add(1),
        None => size.saturating_mul(min).saturating_add(1),
        Some(_) if !count.counted => size.saturating_add(1),
        Some(max) => size.saturating_mul(max).saturating_add(max - min.min(max)),
    }
}

/// Returns by what a repetition multiplies the product of counts.
fn factor(count: Count) -> u64 {
    match count.max {
        _ if !count.counted => 1,
        Some(max) => u64::from(max),
        None => u64::from(count.min).max(1),
    }
}
