//! Sans-IO. What `tunnel ingress validate` and `tunnel ingress rule` say.

use adit_dialect::url::Url;

use crate::file::{File, Reading};
use crate::resolve::rules_of_file;
use crate::rule::{PathPattern, Rule, Rules};

/// What a command prints and how it ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// The exit code.
    pub exit: u8,
}

/// What a command was given to check.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// The file that was found, by the name that was used, and what reading it gave.
    pub file: Option<(&'a str, &'a Reading)>,
    /// The text of `--json`, if that was set, even to nothing.
    pub json: Option<&'a str>,
    /// Whether flag, environment or file set `url`.
    pub url_is_set: bool,
}

/// What `ingress rule` asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The host, without port.
    pub host: Vec<u8>,
    /// The decoded path.
    pub path: Vec<u8>,
}

/// Does what `tunnel ingress validate` does.
#[must_use]
pub fn validate(given: &Given<'_>) -> Outcome {
    let source = match (given.json, given.file) {
        (Some(_), _) => "cmdline flag --json",
        (None, Some((name, Reading::File { .. }))) => name,
        (None, _) => return Outcome::default().failed(NO_FILE),
    };
    let outcome = Outcome {
        stdout: format!("Validating rules from {source}\n"),
        ..Outcome::default()
    };
    match checked(given) {
        Err(problem) => outcome.failed(&problem),
        Ok(()) if given.url_is_set => outcome.failed(URL_AND_RULES),
        Ok(()) => match unknown_keys(given) {
            Some(keys) => outcome.said(&format!("{UNUSED_KEYS}\n{keys}\n")),
            None => outcome.said("OK\n"),
        },
    }
}

/// Reads the argument of `tunnel ingress rule`.
///
/// # Errors
///
/// Returns what the command says and how it ends.
pub fn question(argument: &str) -> Result<Question, Outcome> {
    let failed = |problem: &str| Err(Outcome::default().failed(problem));
    if argument.is_empty() {
        return failed("cloudflared tunnel rule expects a single argument, the URL to test");
    }
    let Ok(url) = Url::parse(argument) else {
        return failed(&format!("{argument} is not a valid URL"));
    };
    if url.hostname().is_empty() && url.scheme().is_empty() {
        let problem = format!("{argument} doesn't have a hostname, consider adding a scheme");
        return failed(&problem);
    }
    Ok(Question {
        host: url.hostname().to_vec(),
        path: url.path().to_vec(),
    })
}

/// Returns the rules that `tunnel ingress rule` asks; `name` is the file that was found.
///
/// # Errors
///
/// Returns what the command says and how it ends.
pub fn rules_to_ask(name: &str, file: &File) -> Result<Rules, Outcome> {
    let outcome = Outcome {
        stdout: format!("Using rules from {name}\n"),
        ..Outcome::default()
    };
    rules_of_file(file).map_err(|error| outcome.failed(&failed_validation(&error.problem)))
}

/// Returns what `tunnel ingress rule` says about the rule that matched.
#[must_use]
pub fn answer(name: &str, index: usize, rule: &Rule) -> Outcome {
    let mut stdout = format!("Using rules from {name}\nMatched rule #{index}\n");
    let hostname = &rule.hostname.text;
    if !hostname.is_empty() {
        stdout.push_str(&format!("\thostname: {hostname}\n"));
    }
    if let Some(path) = rule.path.as_ref().map(PathPattern::source) {
        stdout.push_str(&format!("\tpath: {path}\n"));
    }
    stdout.push_str(&format!("\tservice: {}\n", rule.service));
    Outcome {
        stdout,
        ..Outcome::default()
    }
}

impl Outcome {
    fn said(mut self, text: &str) -> Self {
        self.stdout.push_str(text);
        self
    }

    fn failed(mut self, problem: &str) -> Self {
        self.stderr = format!("{problem}\n");
        self.exit = 1;
        self
    }
}

fn checked(given: &Given<'_>) -> Result<(), String> {
    let rules = match (given.json, given.file) {
        (Some(text), _) => {
            let file = File::read_json(text.as_bytes()).map_err(|error| error.to_string())?;
            rules_of_file(&file)
        }
        (None, Some((_, Reading::File { file, .. }))) => rules_of_file(file),
        (None, _) => rules_of_file(&File::default()),
    };
    let told = |error: crate::ConfigError| failed_validation(&error.problem);
    rules.map(|_| ()).map_err(told)
}

fn failed_validation(problem: &str) -> String {
    format!("Validation failed: {problem}")
}

fn unknown_keys<'a>(given: &Given<'a>) -> Option<&'a str> {
    match given.file {
        Some((_, Reading::File { unknown_keys, .. })) => unknown_keys.as_deref(),
        _ => None,
    }
}

const NO_FILE: &str = "No configuration file was found. Please create one, or use the --config \
                       flag to specify its filepath. You can use the help command to learn more \
                       about configuration files";

const URL_AND_RULES: &str = "You can't set the --url flag (or $TUNNEL_URL) when using \
                             multiple-origin ingress rules";

const UNUSED_KEYS: &str = "Warning: unused keys detected in your config file. Here is a list of unused keys:";
