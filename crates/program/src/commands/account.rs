//! The commands that speak to the account's API, and those that need no account: `tunnel login` and
//! quick tunnels.

pub(crate) mod certificate;
pub(super) mod create;
pub(super) mod delete;
pub(super) mod dns;
pub(super) mod info;
pub(super) mod ip;
pub(super) mod list;
pub(super) mod login;
pub(crate) mod lookup;
pub(super) mod named;
pub(super) mod quick;
pub(crate) mod session;
pub(super) mod token;
pub(super) mod vnet;

use adit_account::tree::Format;
use adit_account::{Error, Tree};

use super::Call;
use crate::cli::Value;
use crate::failure::Failure;
use crate::program::print;

/// Prints a tree in the format that the user wants; nothing if no format was asked for.
fn print_tree(call: &Call<'_>, tree: impl FnOnce() -> Tree) -> Result<bool, Failure> {
    let Some(name) = call.options.some_text("output") else {
        return Ok(false);
    };
    let format = Format::read(&name).map_err(plain)?;
    print(&tree().write(format));
    Ok(true)
}

/// Returns how many items of a list come at once, if the user says so.
fn per_page(call: &Call<'_>) -> Option<u64> {
    u64::try_from(call.options.integer("max-fetch-size"))
        .ok()
        .filter(|count| *count > 0)
}

/// Returns a text that the user gave, even an empty one.
fn given(call: &Call<'_>, name: &'static str) -> Option<String> {
    match call.options.find(name) {
        Some((_, Value::Text(text))) => Some(text),
        _ => None,
    }
}

/// Returns a switch that the user set, on or off.
fn switched(call: &Call<'_>, name: &'static str) -> Option<bool> {
    match call.options.find(name) {
        Some((_, Value::Switch(on))) => Some(on),
        _ => None,
    }
}

/// Returns an error of the API as it is.
fn plain(error: Error) -> Failure {
    Failure::new(error.to_string())
}

/// Returns an error of the API behind what was tried.
fn behind(what: &'static str) -> impl Fn(Error) -> Failure {
    move |error| Failure::new(format!("{what}: {error}"))
}
