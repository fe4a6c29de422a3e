//! Sans-IO. The values of a JSON text, in the order of the text.

use std::borrow::Cow;

use super::{scan, text};
use crate::error::JsonError;

/// A JSON text that was accepted as a whole.
///
/// Its values lie in one flat list, so that depth costs neither stack nor allocations.
#[derive(Debug)]
pub struct Document<'a> {
    pub(super) text: &'a [u8],
    pub(super) nodes: Vec<Node>,
}

/// One value, or one name of an object, in front of what it holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// Where its text begins and ends.
    pub(super) start: usize,
    pub(super) end: usize,
    /// The node behind it and all that it holds.
    pub(super) next: usize,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number.
    Number,
    /// A string.
    String,
    /// A list of values.
    Array,
    /// A list of names with their values.
    Object,
}

/// One value of a document.
#[derive(Clone, Copy, Debug)]
pub struct Value<'d> {
    document: &'d Document<'d>,
    at: usize,
}

impl<'a> Document<'a> {
    /// Reads a JSON text.
    ///
    /// # Errors
    ///
    /// Fails when `text` is anything else than one JSON value, or one that nests too deeply.
    pub fn parse(text: &'a (impl AsRef<[u8]> + ?Sized)) -> Result<Self, JsonError> {
        scan::document(text.as_ref())
    }

    /// Returns the value.
    #[must_use]
    pub const fn root(&self) -> Value<'_> {
        Value {
            document: self,
            at: 0,
        }
    }
}

impl<'d> Value<'d> {
    /// Returns what this value is.
    #[must_use]
    pub fn kind(self) -> Kind {
        self.node().kind
    }

    /// Returns its text as written.
    #[must_use]
    pub fn raw(self) -> &'d [u8] {
        let node = self.node();
        &self.document.text[node.start..node.end]
    }

    /// Tells whether this is `null`.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// Returns the truth of a boolean.
    #[must_use]
    pub fn as_bool(self) -> Option<bool> {
        (self.kind() == Kind::Bool).then(|| self.raw() == b"true")
    }

    /// Returns the text of a number, as written.
    #[must_use]
    pub fn as_number(self) -> Option<&'d str> {
        let number = self.kind() == Kind::Number;
        std::str::from_utf8(self.raw()).ok().filter(|_| number)
    }

    /// Returns the content of a string; what is not Unicode becomes U+FFFD.
    #[must_use]
    pub fn as_str(self) -> Option<Cow<'d, str>> {
        (self.kind() == Kind::String).then(|| text::read(self.raw()))
    }

    /// Returns the elements of an array, and none of anything else.
    pub fn items(self) -> impl Iterator<Item = Self> {
        self.children(Kind::Array)
    }

    /// Returns the names and values of an object in order, and none of anything else.
    pub fn entries(self) -> impl Iterator<Item = (Cow<'d, str>, Self)> {
        let mut children = self.children(Kind::Object);
        std::iter::from_fn(move || {
            let name = children.next()?;
            Some((text::read(name.raw()), children.next()?))
        })
    }

    /// Returns the value of the last entry of an object that is called `name` in any case.
    #[must_use]
    pub fn get(self, name: &str) -> Option<Self> {
        let entries = self.entries().filter(|(given, _)| text::same_name(given, name));
        entries.last().map(|(_, value)| value)
    }

    fn node(self) -> Node {
        self.document.nodes[self.at]
    }

    fn children(self, kind: Kind) -> impl Iterator<Item = Self> {
        let node = self.node();
        let end = if node.kind == kind { node.next } else { 0 };
        let mut at = self.at + 1;
        std::iter::from_fn(move || {
            let child = Self { at, ..self };
            (at < end).then(|| {
                at = child.node().next;
                child
            })
        })
    }
}
