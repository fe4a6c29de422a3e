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
pub(crate) use line::{Request, read};
pub(crate) use options::{Environment, Options, Source};
pub(crate) use value::Value;

/// Returns every flag of every command.
pub(crate) fn every_flag() -> Vec<&'static Flag> {
    fn collect(command: &'static commands::Command, flags: &mut Vec<&'static Flag>) {
        flags.extend(command.own());
        for below in command.commands {
            collect(below, flags);
        }
    }
    let mut flags = Vec::new();
    collect(&commands::ROOT, &mut flags);
    flags
}
