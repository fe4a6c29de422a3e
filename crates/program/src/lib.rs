//! The program: what it is asked for on the command line, and how the rooms are joined to do it.

mod announce;
mod app;
mod ask;
mod browser;
mod caveats;
mod checks;
mod cli;
mod commands;
mod failure;
mod files;
mod identity;
mod listen;
mod logging;
mod opening;
mod program;
mod reload;
mod remote;
mod reserved;
mod runtime;
mod service;
mod settings;
mod signals;
mod stdin;
mod witness;

use std::process::ExitCode;

use program::Program;

/// Does what this process was asked for; returns how it ended.
pub fn run() -> ExitCode {
    let program = Program::of_this_process();
    match commands::perform(&program) {
        Ok(code) => code,
        Err(failure) => failure.tell(),
    }
}
