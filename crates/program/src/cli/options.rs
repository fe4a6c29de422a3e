//! What holds for one setting: the command line before the environment before the file.

use std::collections::BTreeMap;

use super::commands::{Action, Command};
use super::fault::Fault;
use super::flag::{Flag, Kind};
use super::flags::TUNNEL;
use super::line::{Level, Words};
use super::value::Value;

/// The environment of the process, as a map.
pub(crate) type Environment = BTreeMap<String, String>;

/// Everything that was said to one command.
#[derive(Debug)]
pub(crate) struct Options {
    /// What is neither command nor flag.
    pub(crate) arguments: Vec<String>,
    levels: Vec<Level>,
    environment: Environment,
    file: BTreeMap<&'static str, Value>,
    /// What the kind of tunnel leaves no choice about.
    forced: BTreeMap<&'static str, Value>,
}

/// Who said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The command line.
    Line,
    /// A variable of the environment.
    Variable,
    /// The configuration file.
    File,
}

impl Options {
    /// Joins a command line with the environment.
    ///
    /// # Errors
    ///
    /// Fails when a variable does not fit its flag.
    pub(crate) fn new(words: Words, environment: Environment) -> Result<Self, Fault> {
        let options = Self {
            arguments: words.arguments,
            levels: words.levels,
            environment,
            file: BTreeMap::new(),
            forced: BTreeMap::new(),
        };
        for flag in options.levels.iter().flat_map(|level| level.command.own()) {
            options.variable(flag)?;
        }
        Ok(options)
    }

    /// Returns the flags that the configuration file may set for this command and that neither the
    /// command line nor the environment speaks of, in the order in which upstream looks at them.
    pub(crate) fn open_to_file(&self) -> Vec<&'static Flag> {
        let mut seen: Vec<&'static str> = Vec::new();
        let mut open = Vec::new();
        for flag in self.levels.iter().rev().flat_map(|level| level.command.own()) {
            if seen.contains(&flag.name) {
                continue;
            }
            seen.push(flag.name);
            let silent = self.given(flag.name).is_none() && self.variables(flag).next().is_none();
            if flag.file && silent {
                open.push(flag);
            }
        }
        open
    }

    /// Takes over a value from the configuration file, unless it says nothing.
    pub(crate) fn take_from_file(&mut self, flag: &'static Flag, value: Value) {
        if !value.is_nothing() || honours_false(flag) {
            self.file.insert(flag.name, value);
        }
    }

    /// Gives a setting a value, whatever anyone said.
    pub(crate) fn force(&mut self, name: &'static str, value: Value) {
        self.forced.insert(name, value);
    }

    /// Returns the value of a setting, if anyone gave one.
    pub(crate) fn find(&self, name: &'static str) -> Option<(Source, Value)> {
        if let Some(value) = self.forced.get(name) {
            return Some((Source::Line, value.clone()));
        }
        if let Some(value) = self.given(name) {
            return Some((Source::Line, value.clone()));
        }
        let flag = self.flag(name)?;
        // `new` has read every variable once.
        if let Ok(Some(value)) = self.variable(flag) {
            return Some((Source::Variable, value));
        }
        self.file.get(name).map(|value| (Source::File, value.clone()))
    }

    /// Returns whether anyone gave the setting a value.
    pub(crate) fn is_set(&self, name: &'static str) -> bool {
        self.find(name).is_some()
    }

    /// Returns a text, by default that of the flag.
    pub(crate) fn text(&self, name: &'static str) -> String {
        match self.value(name) {
            Some(Value::Text(text) | Value::Moment(text)) => text,
            _ => String::new(),
        }
    }

    /// Returns a text that is not empty.
    pub(crate) fn some_text(&self, name: &'static str) -> Option<String> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    /// Returns whether a switch is on.
    pub(crate) fn switch(&self, name: &'static str) -> bool {
        matches!(self.value(name), Some(Value::Switch(true)))
    }

    /// Returns an integer, zero for none.
    pub(crate) fn integer(&self, name: &'static str) -> i64 {
        match self.value(name) {
            Some(Value::Integer(number)) => number,
            _ => 0,
        }
    }

    /// Returns a number of things, zero for none.
    pub(crate) fn unsigned(&self, name: &'static str) -> u64 {
        match self.value(name) {
            Some(Value::Unsigned(number)) => number,
            _ => 0,
        }
    }

    /// Returns a duration in nanoseconds, zero for none.
    pub(crate) fn duration(&self, name: &'static str) -> i64 {
        match self.value(name) {
            Some(Value::Duration(nanos)) => nanos,
            _ => 0,
        }
    }

    /// Returns a list.
    pub(crate) fn list(&self, name: &'static str) -> Vec<String> {
        match self.value(name) {
            Some(Value::List(items)) => items,
            _ => Vec::new(),
        }
    }

    /// Returns what the command does.
    pub(crate) fn action(&self) -> Action {
        self.command().action
    }

    /// Returns whether neither the command line nor the file set any flag of the command. Variables
    /// say how something is done, not what.
    pub(crate) fn is_silent(&self) -> bool {
        let said =
            |flag: &'static Flag| matches!(self.find(flag.name), Some((Source::Line | Source::File, _)));
        !self.command().own().any(said)
    }

    /// Returns what the command line and the file set, each under all its names, in order.
    pub(crate) fn settings(&self) -> BTreeMap<&'static str, (&'static Flag, Value)> {
        let mut settings = BTreeMap::new();
        let given = self.levels.iter().flat_map(|level| level.given.keys());
        let names: Vec<&'static str> = given.chain(self.file.keys()).copied().collect();
        for name in names {
            let (Some(flag), Some((_, value))) = (self.flag(name), self.find(name)) else {
                continue;
            };
            for name in flag.names() {
                settings.insert(name, (flag, value.clone()));
            }
        }
        for (name, value) in &self.forced {
            if let Some(flag) = self.flag(name) {
                settings.insert(name, (flag, value.clone()));
            }
        }
        settings
    }

    /// Returns the command and those it is under.
    pub(crate) fn path(&self) -> Vec<&'static Command> {
        self.levels.iter().map(|level| level.command).collect()
    }

    /// Returns the environment.
    pub(crate) const fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Returns a variable of the environment that is not empty.
    pub(crate) fn environment_text(&self, name: &str) -> Option<&str> {
        let text = self.environment.get(name)?;
        Some(text.as_str()).filter(|text| !text.is_empty())
    }

    fn value(&self, name: &'static str) -> Option<Value> {
        if let Some((_, value)) = self.find(name) {
            return Some(value);
        }
        let flag = self.flag(name)?;
        Value::read_variable(flag.kind, flag.default).ok().flatten()
    }

    /// Returns what the command line says on the most specific level that says anything.
    fn given(&self, name: &'static str) -> Option<&Value> {
        self.levels.iter().rev().find_map(|level| level.given.get(name))
    }

    /// Returns the most specific flag of this name.
    fn flag(&self, name: &'static str) -> Option<&'static Flag> {
        let mut own = self.levels.iter().rev().flat_map(|level| level.command.own());
        own.find(|flag| flag.name == name)
            .or_else(|| TUNNEL.iter().copied().flatten().find(|flag| flag.name == name))
    }

    fn variable(&self, flag: &'static Flag) -> Result<Option<Value>, Fault> {
        let Some((variable, text)) = self.variables(flag).next() else {
            return Ok(None);
        };
        Value::read_variable(flag.kind, text).map_err(|reason| Fault::Environment {
            variable: variable.to_owned(),
            flag: flag.name,
            reason: format!("invalid value {}: {reason}", adit_dialect::quote::quote(text)),
        })
    }

    fn variables(&self, flag: &'static Flag) -> impl Iterator<Item = (&'static str, &str)> {
        let named = |name: &&'static str| self.environment.get(*name).map(|text| (*name, text.as_str()));
        flag.env.iter().filter_map(named)
    }

    fn command(&self) -> &'static Command {
        self.levels[self.levels.len() - 1].command
    }
}

/// Returns whether the file may switch this off although the default is on.
///
/// Upstream ignores it; but it is about who may see the metrics of a connector, and the user said no.
fn honours_false(flag: &Flag) -> bool {
    flag.kind == Kind::Switch && flag.name == "management-diagnostics"
}
