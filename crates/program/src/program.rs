//! The process: how it was started, and what it says of itself.

use std::io::{self, Write};
use std::path::Path;

use crate::cli::Environment;

/// How the process was started.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// The name it was started under.
    pub(crate) name: String,
    /// The words after the name.
    pub(crate) words: Vec<String>,
    /// The environment.
    pub(crate) environment: Environment,
}

/// The version of this program.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The release of upstream whose behaviour this program has.
pub(crate) const UPSTREAM: &str = "2026.8.2";

/// The name under which upstream is installed.
const UPSTREAM_NAME: &str = "cloudflared";

/// What the program was built with.
pub(crate) const COMPILER: &str = match option_env!("ADIT_COMPILER") {
    Some(compiler) => compiler,
    None => "rust",
};

/// When the program was built.
pub(crate) const BUILT: &str = match option_env!("ADIT_BUILD_TIME") {
    Some(time) => time,
    None => "unknown",
};

impl Program {
    /// Returns how this process was started.
    pub(crate) fn of_this_process() -> Self {
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        let mut words = std::env::args_os().map(text);
        let path = words.next().unwrap_or_default();
        let name = Path::new(&path)
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        Self {
            name: name.unwrap_or_else(|| "adit".into()),
            words: words.collect(),
            environment: std::env::vars_os()
                .map(|(name, value)| (text(name), text(value)))
                .collect(),
        }
    }

    /// Returns whether the program was started under upstream's name.
    pub(crate) fn is_upstream(&self) -> bool {
        self.name == UPSTREAM_NAME
    }

    /// Returns the version alone, comparable with those of the program whose name it goes by.
    pub(crate) fn short_version(&self) -> &'static str {
        if self.is_upstream() { UPSTREAM } else { VERSION }
    }

    /// Returns what `--version` prints.
    pub(crate) fn version(&self) -> String {
        let name = &self.name;
        if self.is_upstream() {
            return format!("{name} version {UPSTREAM} (built {BUILT})\n");
        }
        format!("{name} version {VERSION} (built {BUILT}), compatible with {UPSTREAM_NAME} {UPSTREAM}\n")
    }
}

/// Prints what a command has to say.
pub(crate) fn print(text: &str) {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever asked has gone; that is no failure of the command.
        Ok(()) | Err(_) => {}
    }
}

/// Tells the user something that is no part of the output.
pub(crate) fn tell(text: &str) {
    match io::stderr().lock().write_all(text.as_bytes()) {
        // Nobody is there to read it.
        Ok(()) | Err(_) => {}
    }
}
