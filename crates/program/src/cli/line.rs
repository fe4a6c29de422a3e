//! Reads a command line the way upstream's parser does, and a little more generously.
//!
//! Upstream reads one level after the other: the flags of the root, the word of a command, its
//! flags, and so on; a level's flags end at the first argument. On top of that a flag may follow an
//! argument, and a flag of `tunnel` may follow any command. Only a line that upstream refuses gets
//! a new meaning by this, so an unknown flag behind an argument stays an argument.

use std::collections::BTreeMap;

use super::commands::{Action, Command, Line, ROOT};
use super::fault::Fault;
use super::flag::{Flag, Kind};
use super::flags::TUNNEL;
use super::value::Value;

/// What a command line asks for.
#[derive(Debug)]
pub(crate) enum Request {
    /// To do what a command does.
    Command(Words),
    /// To print the help of the last of these commands.
    Help(Vec<&'static Command>),
    /// To print the version.
    Version,
}

/// A command line, taken apart.
#[derive(Debug)]
pub(crate) struct Words {
    /// The commands from the root down, each with the flags given to it.
    pub(crate) levels: Vec<Level>,
    /// What is neither command nor flag.
    pub(crate) arguments: Vec<String>,
}

/// One command of the line and the flags given to it.
#[derive(Debug)]
pub(crate) struct Level {
    /// The command.
    pub(crate) command: &'static Command,
    /// The values by the flag's first name.
    pub(crate) given: BTreeMap<&'static str, Value>,
}

/// Takes the words after the program's name apart.
///
/// # Errors
///
/// Returns what is wrong with the line.
pub(crate) fn read(words: &[String]) -> Result<Request, Fault> {
    let mut reader = Reader {
        words,
        levels: vec![Level::new(&ROOT)],
        arguments: Vec::new(),
    };
    loop {
        let marks = reader.level()?;
        if marks.version {
            return Ok(Request::Version);
        }
        if marks.help {
            return Ok(Request::Help(reader.path()));
        }
        match marks.next {
            Next::Command(command) => reader.levels.push(Level::new(command)),
            Next::Topic => return reader.topic(),
            Next::End => return reader.finish(),
        }
    }
}

/// What a level contains beside values.
struct Marks {
    version: bool,
    help: bool,
    next: Next,
}

/// What follows a level.
enum Next {
    Command(&'static Command),
    /// The word `help`.
    Topic,
    End,
}

struct Reader<'a> {
    words: &'a [String],
    levels: Vec<Level>,
    arguments: Vec<String>,
}

impl Level {
    const fn new(command: &'static Command) -> Self {
        Self {
            command,
            given: BTreeMap::new(),
        }
    }
}

impl<'a> Reader<'a> {
    /// Reads up to the next command.
    fn level(&mut self) -> Result<Marks, Fault> {
        let command = self.command();
        let mut marks = Marks {
            version: false,
            help: false,
            next: Next::End,
        };
        let mut forms = BTreeMap::new();
        if command.line == Line::Verbatim {
            self.take_rest();
        }
        while let Some(word) = self.take() {
            if word == "--" {
                self.after_dashes(&mut marks.next);
                break;
            }
            if is_flag(word) {
                self.flag(word, &mut marks, &mut forms)?;
                continue;
            }
            if self.arguments.is_empty() && self.leads_on(word, &mut marks.next) {
                break;
            }
            self.arguments.push(word.to_owned());
            if command.line == Line::Text {
                self.take_rest();
            }
        }
        two_forms(&forms).map_or(Ok(marks), |form| Err(self.fault(form)))
    }

    /// Returns whether this word is a command of the level or asks for help on one.
    fn leads_on(&self, word: &str, next: &mut Next) -> bool {
        let command = self.command();
        if let Some(below) = command.below(word) {
            *next = Next::Command(below);
        } else if command.is_group() && matches!(word, "help" | "h") {
            *next = Next::Topic;
        } else {
            return false;
        }
        true
    }

    /// Takes what follows `--`: only its first word may still be a command.
    fn after_dashes(&mut self, next: &mut Next) {
        let leads_on =
            self.arguments.is_empty() && self.words.first().is_some_and(|word| self.leads_on(word, next));
        if leads_on {
            self.take();
        } else {
            self.take_rest();
        }
    }

    fn flag(&mut self, word: &str, marks: &mut Marks, forms: &mut Forms) -> Result<(), Fault> {
        let bare = word.strip_prefix("--").unwrap_or(&word[1..]);
        if bare.is_empty() || bare.starts_with(['-', '=']) {
            return Err(self.fault(Form::Syntax(word.to_owned())));
        }
        let (name, text) = match bare.split_once('=') {
            Some((name, text)) => (name, Some(text)),
            None => (bare, None),
        };
        if let Some(mark) = self.mark(name, marks) {
            *mark = self.switch(name, text)?;
            return Ok(());
        }
        let Some((level, flag)) = self.find(name) else {
            return self.unknown(word, name);
        };
        let value = self.value(flag, name, text)?;
        let used = forms.entry(flag.name).or_insert((flag, Vec::new()));
        if !used.1.iter().any(|form| form == name) {
            used.1.push(name.to_owned());
        }
        value.add_to(self.levels[level].given.entry(flag.name));
        Ok(())
    }

    /// Returns the mark that every command has under this name.
    fn mark<'m>(&self, name: &str, marks: &'m mut Marks) -> Option<&'m mut bool> {
        let at_root = self.levels.len() == 1;
        match name {
            "help" | "h" => Some(&mut marks.help),
            "version" | "v" | "V" if at_root => Some(&mut marks.version),
            _ => None,
        }
    }

    /// Finds a flag of this command, or of `tunnel`, and the level that it belongs to.
    fn find(&self, name: &str) -> Option<(usize, &'static Flag)> {
        let here = self.levels.len() - 1;
        if let Some(flag) = self.command().own().find(|flag| flag.is(name)) {
            return Some((here, flag));
        }
        let above = (0..here).rev().find_map(|level| {
            let mut own = self.levels[level].command.own();
            own.find(|flag| flag.is(name)).map(|flag| (level, flag))
        });
        above.or_else(|| {
            let mut shared = TUNNEL.iter().copied().flatten();
            shared.find(|flag| flag.is(name)).map(|flag| (0, flag))
        })
    }

    fn unknown(&mut self, word: &str, name: &str) -> Result<(), Fault> {
        if self.arguments.is_empty() {
            return Err(self.fault(Form::Unknown(name.to_owned())));
        }
        self.arguments.push(word.to_owned());
        Ok(())
    }

    fn value(&mut self, flag: &'static Flag, name: &str, text: Option<&str>) -> Result<Value, Fault> {
        if flag.kind == Kind::Switch {
            return self.switch(name, text).map(Value::Switch);
        }
        let text = match text {
            Some(text) => text,
            None => match self.take() {
                Some(word) => word,
                None => return Err(self.fault(Form::Missing(name.to_owned()))),
            },
        };
        Value::read(flag.kind, text).map_err(|reason| {
            self.fault(Form::Value {
                name: name.to_owned(),
                text: text.to_owned(),
                reason: reason.to_string(),
            })
        })
    }

    fn switch(&self, name: &str, text: Option<&str>) -> Result<bool, Fault> {
        let Some(text) = text else { return Ok(true) };
        Value::switch(text).map_err(|reason| {
            self.fault(Form::Switch {
                name: name.to_owned(),
                text: text.to_owned(),
                reason: reason.to_string(),
            })
        })
    }

    /// Answers `help [TOPIC]`.
    fn topic(mut self) -> Result<Request, Fault> {
        let Some(topic) = self.take() else {
            return Ok(Request::Help(self.path()));
        };
        if matches!(topic, "--help" | "-help" | "--h" | "-h" | "--") {
            return Ok(Request::Help(self.path()));
        }
        if is_flag(topic) {
            return Err(self.fault(Form::Unknown(topic.trim_start_matches('-').to_owned())));
        }
        let Some(below) = self.command().below(topic) else {
            return Err(Fault::NoTopic(topic.to_owned()));
        };
        let mut path = self.path();
        path.push(below);
        Ok(Request::Help(path))
    }

    fn finish(self) -> Result<Request, Fault> {
        if self.command().action != Action::Group {
            return Ok(Request::Command(Words {
                levels: self.levels,
                arguments: self.arguments,
            }));
        }
        match self.arguments.first() {
            Some(word) => Err(Fault::NoTopic(word.clone())),
            None => Ok(Request::Help(self.path())),
        }
    }

    fn command(&self) -> &'static Command {
        self.levels[self.levels.len() - 1].command
    }

    fn path(&self) -> Vec<&'static Command> {
        self.levels.iter().map(|level| level.command).collect()
    }

    fn take(&mut self) -> Option<&'a str> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }

    fn take_rest(&mut self) {
        self.arguments.extend_from_slice(self.words);
        self.words = &[];
    }

    fn fault(&self, form: Form) -> Fault {
        Fault::Usage {
            path: self.path(),
            form,
        }
    }
}

/// What a line can have wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// No flag has this name.
    Unknown(String),
    /// The flag of this name has no value.
    Missing(String),
    /// This is no way to write a flag.
    Syntax(String),
    /// A flag has a value that does not fit.
    Value {
        name: String,
        text: String,
        reason: String,
    },
    /// A switch has a value that is neither true nor false.
    Switch {
        name: String,
        text: String,
        reason: String,
    },
    /// One flag goes by two names.
    Two(String, String),
}

/// The names under which each flag was given on one level.
type Forms = BTreeMap<&'static str, (&'static Flag, Vec<String>)>;

fn two_forms(forms: &Forms) -> Option<Form> {
    let (flag, used) = forms.values().find(|(_, used)| used.len() > 1)?;
    let mut names = flag.names().filter(|name| used.iter().any(|used| used == name));
    let (first, second) = (names.next()?, names.next()?);
    Some(Form::Two(second.to_owned(), first.to_owned()))
}

fn is_flag(word: &str) -> bool {
    word.len() > 1 && word.starts_with('-')
}
