//! Sans-IO. YAML as upstream's library reads it: which texts are accepted, what an untagged value
//! is, how values fit types, and in which words misfits are told.
//!
//! Bytes pass four steps: `reader` decides the encoding and refuses forbidden characters,
//! `libyaml-safer` makes events of them, `tree` makes a tree of the events of the first document,
//! `decode` fits the tree to types and collects every misfit. `scalar` holds the rules for what
//! a plain text is; [`Value`] is what a value is where no type is asked for.
//!
//! # Why this crate
//!
//! `libyaml-safer` is a maintained port of libyaml to safe Rust, without dependencies. Upstream's
//! library descends from the same scanner, so both accept the same texts, down to tabs, `?x`,
//! unclosed quotes and `%YAML` lines, and refuse the others in the same words at the same marks.
//! Strict YAML 1.2 parsers differ on each of these, and `serde` front ends hide style, tag and
//! position, which the typing rules need.

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
