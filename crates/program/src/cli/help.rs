//! Help, version and usage as text. `clap` lays the tables out.

use clap::{Arg, ArgAction};

use super::commands::{Command, ROOT};
use super::flag::{Flag, Kind};

/// Returns the help of the last of these commands, for a program started under this name.
pub(crate) fn help(program: &str, path: &[&'static Command]) -> String {
    let Some(command) = path.last() else {
        return String::new();
    };
    let words = path.iter().skip(1).map(|command| command.name);
    let full: Vec<&str> = std::iter::once(program).chain(words).collect();
    table(command, path.len() == 1)
        .bin_name(full.join(" "))
        .display_name(full.join(" "))
        .render_help()
        .to_string()
}

/// Returns the whole tree of commands for completions and the manual page.
pub(crate) fn tree() -> clap::Command {
    table(&ROOT, true)
}

fn table(command: &'static Command, root: bool) -> clap::Command {
    let below = command.commands.iter().map(|below| table(below, false));
    let table = clap::Command::new(command.name)
        .about(command.about)
        .aliases(command.also)
        .hide(command.hidden)
        .disable_version_flag(!root)
        .disable_help_subcommand(true)
        .subcommands(below)
        .args(command.own().map(flag));
    let table = if root {
        table.disable_version_flag(true).arg(version())
    } else {
        table
    };
    arguments(command.arguments)
        .into_iter()
        .fold(table, clap::Command::arg)
}

fn version() -> Arg {
    Arg::new("version")
        .long("version")
        .short('v')
        .short_alias('V')
        .action(ArgAction::SetTrue)
        .help("Print the version")
}

fn flag(flag: &'static Flag) -> Arg {
    let mut arg = Arg::new(flag.name).long(flag.name).hide(flag.hidden);
    for name in flag.also {
        arg = match one_letter(name) {
            Some(letter) if arg.get_short().is_none() => arg.short(letter),
            Some(letter) => arg.short_alias(letter),
            None => arg.visible_alias(*name),
        };
    }
    let arg = match flag.kind {
        Kind::Switch => arg.action(ArgAction::SetTrue),
        Kind::List => arg.action(ArgAction::Append).value_name(word(flag.kind)),
        Kind::Text
        | Kind::Path
        | Kind::Integer
        | Kind::Unsigned
        | Kind::Number
        | Kind::Duration
        | Kind::Moment => arg.action(ArgAction::Set).value_name(word(flag.kind)),
    };
    arg.help(explain(flag))
}

fn explain(flag: &Flag) -> String {
    let mut text = flag.help.to_owned();
    if !flag.default.is_empty() {
        text.push_str(&format!(" [default: {}]", flag.default));
    }
    if !flag.env.is_empty() {
        text.push_str(&format!(" [${}]", flag.env.join(", $")));
    }
    text
}

const fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Text | Kind::List => "TEXT",
        Kind::Path => "PATH",
        Kind::Switch => "BOOL",
        Kind::Integer | Kind::Unsigned | Kind::Number => "NUMBER",
        Kind::Duration => "DURATION",
        Kind::Moment => "TIME",
    }
}

/// Returns the arguments that a text like `NAME [COMMENT...]` describes.
fn arguments(text: &'static str) -> Vec<Arg> {
    let argument = |word: &'static str| {
        let required = !word.starts_with('[');
        let many = word.contains("...");
        let name = word.trim_matches(['[', ']']).trim_end_matches("...");
        let arg = Arg::new(word).value_name(name).required(required);
        if many { arg.num_args(1..) } else { arg }
    };
    text.split_whitespace().map(argument).collect()
}

fn one_letter(name: &str) -> Option<char> {
    let mut letters = name.chars();
    letters.next().filter(|_| letters.next().is_none())
}
