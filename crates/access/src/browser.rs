//! The user's browser.

use std::process::{Command, Stdio};

/// What opens a link on this system.
const OPENER: &str = if cfg!(target_os = "macos") {
    "open"
} else {
    "xdg-open"
};

/// Opens a link; returns whether something was started that may show it.
pub(crate) fn open(link: &str) -> bool {
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
