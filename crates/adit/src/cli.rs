//! The command line: which words mean what, as data.
//!
//! [`read`] takes a command line apart, [`Options`] joins it with the environment and the
//! configuration file. Nothing here does anything.

mod commands;
mod fault;
mod flag;
mod flags;
mod from_file;
mod help;
mod line;
mod options;
mod value;

pub(crate) use commands::Action;
pub(crate) use fault::Fault;
pub(crate) use flag::{Flag, Kind};
pub(crate) use from_file::read as read_from_file;
pub(crate) use help::{help, tree};
pub(crate) use line::{Request, Words, read};
pub(crate) use options::{Environment, Options, Source};
pub(crate) use value::Value;
