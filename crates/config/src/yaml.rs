//! Sans-IO. YAML as upstream's library reads it: which texts are accepted, what an untagged value
//! is, how values fit types, and in which words misfits are told.
//!
//! Bytes pass four steps: `reader` decides the encoding and refuses forbidden characters,
//! `libyaml-safer` makes events of them, `tree` makes a tree of the events of the first document,
//! `decode` fits the tree to types and collects every misfit. `scalar` holds the rules for what
//! a plain text is; [`Value`] is what a value is where no type is asked for.
//!
//! Upstream's scanner and the one used here are relatives, not twins. `ahead` reads on where
//! upstream's does; a colon before a bracket in a flow collection, and the end of a text without a
//! line end, are dealt with in `tree` and `reader`. Two differences remain that accept
//! more: `?` inside a plain text of a flow collection, and a byte order mark in front of a later line.
//! A third accepts less: brackets and commas inside a tag.

mod ahead;
pub(crate) mod decode;
mod error;
mod reader;
mod scalar;
mod targets;
mod time;
mod tree;
mod value;

pub(crate) use decode::{Decoded, Decoder, Record, Target};
pub(crate) use error::{Problem, YamlError, misfits};
pub(crate) use targets::Item;
pub(crate) use tree::{Document, NodeId};
pub use value::Value;
