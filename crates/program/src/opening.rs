//! The first lines of a log: what runs, how it was built, what it was told.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::File;
use std::io::Read;

use aws_lc_rs::digest::{Context, SHA256};

use crate::cli::{self, Options};
use crate::logging::HIDDEN;
use crate::program::{COMPILER, VERSION};
use crate::settings;

/// Logs what runs and what it was told.
pub(crate) fn log(options: &Options) {
    match checksum() {
        Ok(sum) => tracing::info!("Version {VERSION} (Checksum {sum})"),
        Err(error) => tracing::info!("Version {VERSION} (Checksum unknown: {error})"),
    }
    let (system, architecture) = (settings::system(), settings::architecture());
    tracing::info!("GOOS: {system}, GOVersion: {COMPILER}, GoArch: {architecture}");
    let settings = options.settings();
    if !settings.is_empty() {
        let shown = settings.iter().map(|(name, (flag, value))| {
            let value = if flag.secret {
                HIDDEN.to_owned()
            } else {
                value.to_string()
            };
            (*name, value)
        });
        tracing::info!("Settings: {}", map(&shown.collect()));
    }
    let variables = variables(options);
    if !variables.is_empty() {
        tracing::info!("Environmental variables {}", map(&variables));
    }
}

/// Returns the variables that speak to this program, without secrets.
///
/// Upstream prints every variable with `TUNNEL_` in it, of whatever program.
fn variables(options: &Options) -> BTreeMap<&'static str, String> {
    let mut variables = BTreeMap::new();
    for flag in cli::every_flag() {
        for name in flag.env.iter().filter(|name| name.contains("TUNNEL_")) {
            let Some(value) = options.environment().get(*name) else {
                continue;
            };
            if value.contains('=') {
                continue;
            }
            let value = if flag.secret { HIDDEN } else { value };
            variables.insert(*name, value.to_owned());
        }
    }
    variables
}

/// Prints names and values as upstream prints a map.
fn map(entries: &BTreeMap<&str, String>) -> String {
    let entries = entries.iter().map(|(name, value)| format!("{name}:{value}"));
    format!("map[{}]", entries.collect::<Vec<_>>().join(" "))
}

/// Returns the checksum of the running program.
fn checksum() -> std::io::Result<String> {
    let mut file = File::open(std::env::current_exe()?)?;
    let mut context = Context::new(&SHA256);
    let mut piece = vec![0; 1 << 16];
    loop {
        match file.read(&mut piece)? {
            0 => break,
            length => context.update(&piece[..length]),
        }
    }
    Ok(hex(context.finish().as_ref()))
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a string takes any text");
    }
    text
}
