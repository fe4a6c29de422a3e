//! Reads the configuration again while the connector runs.
//!
//! Rules, origin settings, the files that they name and the log level change; requests in flight
//! keep what they began with. A file that is wrong changes nothing. What else changed in the file
//! is told, because it waits for the next start.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use adit_config::{ConfigurationFlags, Rules};
use adit_edge::Herald;
use adit_ingress::Ingress;

use crate::cli::{self, Options, Request};
use crate::failure::Failure;
use crate::files::{self, Configuration};
use crate::logging::{Control, parse_level};
use crate::program::Program;
use crate::settings;

/// What is needed to read the configuration again.
#[derive(Debug)]
pub(crate) struct Reload {
    program: Program,
    control: Arc<Control>,
    path: String,
    settings: BTreeMap<String, String>,
    watched: bool,
    stamp: Option<Stamp>,
}

/// What changes when a file does, also when another file takes its place.
pub(crate) type Stamp = (u64, i64, i64, u64);

/// Settings that take effect at once.
const AT_ONCE: [&str; 3] = ["loglevel", "transport-loglevel", "proto-loglevel"];

/// What a file says now.
struct Fresh {
    rules: Rules,
    levels: [String; 2],
    settings: BTreeMap<String, String>,
}

impl Reload {
    /// Returns what reads the file of this configuration again.
    pub(crate) fn new(
        program: &Program,
        options: &Options,
        configuration: &Configuration,
        control: &Arc<Control>,
    ) -> Self {
        Self {
            program: program.clone(),
            control: Arc::clone(control),
            stamp: stamp(&configuration.path),
            path: configuration.path.clone(),
            settings: settings::shown(options),
            watched: options.switch("watch-config"),
        }
    }

    /// Returns whether the file is watched.
    pub(crate) const fn is_watching(&self) -> bool {
        self.watched
    }

    /// Returns whether the file is another one than before.
    pub(crate) fn has_changed(&mut self) -> bool {
        let stamp = stamp(&self.path);
        // A file that is being replaced may be missing for a moment.
        stamp.is_some() && std::mem::replace(&mut self.stamp, stamp) != stamp
    }

    /// Reads the configuration, puts it in force, and lets the edge know.
    pub(crate) fn now(&mut self, ingress: &Ingress, herald: &Herald) {
        if self.path.is_empty() {
            tracing::info!("There is no configuration file to reload");
            return;
        }
        let path = &self.path;
        let fresh = match self.read() {
            Ok(fresh) => fresh,
            Err(failure) => {
                let error = failure.text();
                tracing::error!(error, path, "Configuration is not reloaded, the old one stays");
                return;
            }
        };
        let Some(rules) = change_rules(ingress, fresh.rules, path) else {
            return;
        };
        if rules == CHANGED {
            herald.rules_changed();
        }
        let [level, transport] = fresh.levels.each_ref().map(|word| parse_level(word));
        if let (Some(level), Some(transport)) = (level, transport) {
            self.control.set_level(level, transport);
        }
        let waiting = differences(&self.settings, &fresh.settings);
        self.settings = fresh.settings;
        tracing::info!(path, rules, "Reloaded configuration");
        if !waiting.is_empty() {
            tracing::warn!(
                settings = waiting.join(","),
                "Some settings wait for the next start"
            );
        }
    }

    fn read(&self) -> Result<Fresh, Failure> {
        let Request::Command(words) = cli::read(&self.program.words)? else {
            return Err(Failure::new("the command line asks for nothing to run"));
        };
        let mut options = Options::new(words, self.program.environment.clone())?;
        let configuration = files::load(&mut options)?;
        if !configuration.exists() {
            return Err(Failure::new("the file is empty"));
        }
        let said = settings::overrides(&options);
        let flags: ConfigurationFlags = settings::configuration_flags(&options);
        let rules = adit_config::resolve(&configuration.file(), &said, &flags)
            .map_err(|error| configuration.refuse(&error))?;
        Ok(Fresh {
            rules,
            levels: [options.text("loglevel"), options.text("transport-loglevel")],
            settings: settings::shown(&options),
        })
    }
}

/// What becomes of rules that are others than before.
const CHANGED: &str = "changed";

/// Puts rules in force; returns what became of them in a word, or nothing if they cannot be.
fn change_rules(ingress: &Ingress, rules: Rules, path: &str) -> Option<&'static str> {
    if ingress.version() >= 0 {
        return Some("from the edge");
    }
    let before = ingress
        .rules()
        .map(|rules| adit_config::report::in_force(0, &rules));
    let after = adit_config::report::in_force(0, &rules);
    if let Err(error) = ingress.start(rules) {
        let error = crate::logging::chain(&error);
        tracing::error!(error, path, "Configuration is not reloaded, the old one stays");
        return None;
    }
    Some(if before.as_ref() == Some(&after) {
        "unchanged"
    } else {
        CHANGED
    })
}

/// Returns the settings that differ and do not take effect at once.
fn differences(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let names = before.keys().chain(after.keys());
    let differing = names.filter(|name| before.get(*name) != after.get(*name));
    let mut waiting: Vec<String> = differing
        .filter(|name| !AT_ONCE.contains(&name.as_str()))
        .cloned()
        .collect();
    waiting.sort_unstable();
    waiting.dedup();
    waiting
}

/// Returns the stamp of a file; nothing while there is none.
pub(crate) fn stamp(path: &str) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some((
        metadata.ino(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.size(),
    ))
}
