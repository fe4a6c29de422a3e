//! The user's browser.

use std::process::{Command, Stdio};

use crate::program::tell;

/// What opens a link on this system.
const OPENER: &str = if cfg!(target_os = "macos") {
    "open"
} else {
    "xdg-open"
};

/// Sends the user of `program` to a page, where `what` comes from, and tells it in case nothing
/// opens. The link may be a credential, so it goes to no log.
pub(crate) fn visit(link: &str, program: &str, what: &str) {
    if open(link) {
        tell(&format!(
            "A browser window should have opened at the following URL:\n\n{link}\n\nIf the browser failed to open, \
             please visit the URL above directly in your browser.\n"
        ));
    } else {
        tell(&format!(
            "Please open the following URL and log in with your Cloudflare account:\n\n{link}\n\nLeave {program} \
             running to download the {what} automatically.\n"
        ));
    }
}

/// Opens a link; returns whether something was started that may show it.
fn open(link: &str) -> bool {
    let started = Command::new(OPENER)
        .arg(link)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match started {
        Ok(mut child) => {
            // Nobody needs to know how it ends, but it must not stay behind as a zombie.
            let waiter = std::thread::Builder::new().name("browser".into());
            let watched = waiter.spawn(move || child.wait().is_ok());
            if let Err(error) = watched {
                tracing::debug!(%error, "the browser is not watched");
            }
            true
        }
        Err(_) => false,
    }
}
