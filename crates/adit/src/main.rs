//! A connector for Cloudflare Tunnel.

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

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let program = Program::of_this_process();
    match commands::perform(&program) {
        Ok(code) => code,
        Err(failure) => failure.tell(),
    }
}
