//! A connector for Cloudflare Tunnel.

mod cli;
mod commands;
mod failure;
mod files;
mod logging;
mod program;
mod signals;

use std::process::ExitCode;

use program::Program;

fn main() -> ExitCode {
    let program = Program::of_this_process();
    match commands::perform(&program) {
        Ok(code) => code,
        Err(failure) => failure.tell(),
    }
}
