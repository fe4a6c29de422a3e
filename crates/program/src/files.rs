//! Where files are looked for: the home directory, the default directories, the file of the user.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use adit_config::error::Place;
use adit_config::file::Reading;
use adit_config::{ConfigError, File};

use crate::cli::{Flag, Kind, Options, Value, read_from_file};
use crate::failure::Failure;
use adit_dialect::errno;

/// The default directories as messages show them.
pub(crate) const DIRECTORIES: [&str; 5] = [
    "~/.cloudflared",
    "~/.cloudflare-warp",
    "~/cloudflare-warp",
    "/etc/cloudflared",
    "/usr/local/etc/cloudflared",
];

/// The names of a configuration file in a default directory.
const NAMES: [&str; 2] = ["config.yml", "config.yaml"];

/// What was read of the configuration file.
#[derive(Debug, Default)]
pub(crate) struct Configuration {
    /// The path, as given or found; empty without a file.
    pub(crate) path: String,
    /// What reading it gave.
    pub(crate) reading: Option<Reading>,
}

impl Configuration {
    /// Returns what the file says; nothing at all where there is none.
    pub(crate) fn file(&self) -> Cow<'_, File> {
        match &self.reading {
            Some(Reading::File { file, .. }) => Cow::Borrowed(file),
            Some(Reading::Empty) | None => Cow::Owned(File::default()),
        }
    }

    /// Returns whether there is a file with content.
    pub(crate) const fn exists(&self) -> bool {
        matches!(self.reading, Some(Reading::File { .. }))
    }

    /// Returns a failure that tells what is wrong with the file, and where.
    pub(crate) fn refuse(&self, error: &ConfigError) -> Failure {
        let mut error = error.clone();
        if error.file.is_none() && self.exists() {
            error.file = Some(self.path.clone());
        }
        refuse(&error)
    }
}

/// Reads the configuration file, if there is one, and hands its settings to the options.
///
/// # Errors
///
/// Fails for a file that was named and cannot be read, and for one that is wrong.
pub(crate) fn load(options: &mut Options) -> Result<Configuration, Failure> {
    let Some((path, text)) = find(options)? else {
        return Ok(Configuration::default());
    };
    let reading = File::read(&path, &text).map_err(|error| refuse(&error))?;
    if let Reading::File { file, .. } = &reading {
        for flag in options.open_to_file() {
            let Some(written) = file.setting(flag.name) else {
                continue;
            };
            let value = read_from_file(flag, written)
                .map_err(|error| refuse(&placed(error, &path, &text, flag.name)))?;
            options.take_from_file(flag, relative_to(&path, flag, value));
        }
    }
    Ok(Configuration {
        path,
        reading: Some(reading),
    })
}

/// Makes a path absolute that stands in the file: it is relative to the file's directory.
fn relative_to(file: &str, flag: &Flag, value: Value) -> Value {
    let (Kind::Path, Value::Text(text)) = (flag.kind, &value) else {
        return value;
    };
    if text.is_empty() || Path::new(text).is_absolute() {
        return value;
    }
    let directory = Path::new(file).parent().unwrap_or(Path::new(""));
    match std::path::absolute(directory.join(text)) {
        Ok(path) => Value::Text(path.display().to_string()),
        Err(_) => value,
    }
}

/// Adds where the key stands.
fn placed(mut error: ConfigError, path: &str, text: &[u8], key: &str) -> ConfigError {
    error.file = Some(path.to_owned());
    error.place = line_of(text, key).map(|line| Place { line, column: 1 });
    error
}

/// Returns the text that tells that there is no configuration file.
pub(crate) fn no_configuration() -> String {
    format!(
        "Cannot determine default configuration path. No file [{}] in [{}]",
        NAMES.join(" "),
        DIRECTORIES.join(" ")
    )
}

/// Returns a failure that tells what is wrong with a file, and where.
fn refuse(error: &ConfigError) -> Failure {
    let failure = Failure::new(error.problem.clone());
    let place = error.file.as_ref().map(|file| match error.place {
        Some(place) => format!("see {file}:{}:{}", place.line, place.column),
        None => format!("see {file}"),
    });
    match (&error.hint, place) {
        (Some(hint), Some(place)) => failure.hint(format!("{hint}; {place}")),
        (Some(hint), None) => failure.hint(hint.clone()),
        (None, Some(place)) => failure.hint(place),
        (None, None) => failure,
    }
}

/// Returns the directories that are searched, in order.
pub(crate) fn directories(options: &Options) -> Vec<PathBuf> {
    let home = home(options);
    let expand = |directory: &&str| match directory.strip_prefix("~/") {
        Some(rest) => home.as_ref().map(|home| home.join(rest)),
        None => Some(PathBuf::from(directory)),
    };
    DIRECTORIES.iter().filter_map(expand).collect()
}

/// Returns a path with a leading `~` replaced by the home directory.
pub(crate) fn expand(options: &Options, path: &str) -> PathBuf {
    let rest = match path.strip_prefix('~') {
        Some("") => Some(""),
        Some(rest) => rest.strip_prefix('/'),
        None => None,
    };
    match (rest, home(options)) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}

/// Returns the home directory: of the environment, else of the list of users.
fn home(options: &Options) -> Option<PathBuf> {
    if let Some(home) = options.environment_text("HOME") {
        return Some(PathBuf::from(home));
    }
    let user = rustix::process::getuid().as_raw().to_string();
    let users = fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let mine = fields.get(2).is_some_and(|id| *id == user);
        fields
            .get(5)
            .filter(|home| mine && !home.is_empty())
            .map(PathBuf::from)
    })
}

fn find(options: &Options) -> Result<Option<(String, Vec<u8>)>, Failure> {
    if let Some(path) = options.some_text("config") {
        return match read(Path::new(&path)) {
            Ok(text) => Ok(Some((path, text))),
            Err(error) => Err(unreadable(&path, &error)),
        };
    }
    for directory in directories(options) {
        for name in NAMES {
            let path = directory.join(name);
            let shown = path.display().to_string();
            match fs::File::open(&path).map(|_| read(&path)) {
                Ok(Ok(text)) => return Ok(Some((shown, text))),
                Ok(Err(error)) => return Err(unreadable(&shown, &error)),
                // A file that cannot be opened is skipped.
                Err(_) => {}
            }
        }
    }
    Ok(None)
}

/// A configuration file may not be larger; what is larger is no configuration.
const LARGEST: u64 = 16 << 20;

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut file = io::Read::take(fs::File::open(path)?, LARGEST);
    io::Read::read_to_end(&mut file, &mut text)?;
    Ok(text)
}

fn unreadable(path: &str, error: &io::Error) -> Failure {
    let reason = errno::text(error);
    if error.kind() == io::ErrorKind::IsADirectory {
        return Failure::new(format!(
            "error parsing YAML in config file at {path}: yaml: input error: read {path}: {reason}"
        ));
    }
    Failure::new(format!("open {path}: {reason}"))
}

/// Returns the line on which a key of the top level stands.
fn line_of(text: &[u8], key: &str) -> Option<usize> {
    let text = String::from_utf8_lossy(text);
    let mut lines = text.lines();
    let named = |line: &str| {
        let line = line.trim_start_matches(['{', ' ', '"', '\'']);
        let rest = line.strip_prefix(key);
        rest.is_some_and(|rest| rest.trim_start_matches(['"', '\'', ' ']).starts_with(':'))
    };
    lines.position(named).map(|index| index + 1)
}
