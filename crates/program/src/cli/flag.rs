//! What a flag is.

/// A flag of one command.
#[derive(Debug)]
pub(crate) struct Flag {
    /// The name in `--name`, in the configuration file and in the program.
    pub(crate) name: &'static str,
    /// Further names, of one letter or more; not valid in the configuration file.
    pub(crate) also: &'static [&'static str],
    /// What its value is.
    pub(crate) kind: Kind,
    /// The text of its default value; empty for none.
    pub(crate) default: &'static str,
    /// Environment variables, the first that exists wins.
    pub(crate) env: &'static [&'static str],
    /// Whether the configuration file may set it.
    pub(crate) file: bool,
    /// Whether help leaves it out.
    pub(crate) hidden: bool,
    /// Whether its value must never be shown.
    pub(crate) secret: bool,
    /// One line of help.
    pub(crate) help: &'static str,
}

/// The kinds of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// A path; one from the configuration file is relative to that file.
    Path,
    /// True or false, without a separate argument.
    Switch,
    /// A signed integer.
    Integer,
    /// An unsigned integer.
    Unsigned,
    /// A floating point number.
    Number,
    /// A duration.
    Duration,
    /// A point in time.
    Moment,
    /// A list of texts, one per occurrence.
    List,
}

impl Flag {
    const fn new(kind: Kind, name: &'static str, help: &'static str) -> Self {
        Self {
            name,
            also: &[],
            kind,
            default: "",
            env: &[],
            file: false,
            hidden: false,
            secret: false,
            help,
        }
    }

    pub(super) const fn also(mut self, names: &'static [&'static str]) -> Self {
        self.also = names;
        self
    }

    pub(super) const fn default(mut self, text: &'static str) -> Self {
        self.default = text;
        self
    }

    pub(super) const fn env(mut self, names: &'static [&'static str]) -> Self {
        self.env = names;
        self
    }

    pub(super) const fn file(mut self) -> Self {
        self.file = true;
        self
    }

    pub(super) const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    pub(super) const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// Returns whether the flag goes by this name.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name == name || self.also.contains(&name)
    }

    /// Returns every name of the flag.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.also.iter().copied())
    }
}

pub(super) const fn text(name: &'static str, help: &'static str) -> Flag {
    Flag::new(Kind::Text, name, help)
}

pub(super) const fn path(name: &'static str, help: &'static str) -> Flag {
    Flag::new(Kind::Path, name, help)
}

pub(super) const fn switch(name: &'static str, help: &'static str) -> Flag {
    Flag::new(Kind::Switch, name, help)
}

pub(super) const fn integer(name: &'static str, help: &'static str) -> Flag {
    Flag::new(Kind::Integer, name, help)
}

pub(super) const fn unsigned(name: &'static str, help: &'static str) -> Flag {
    Flag::new(Kind::Unsigned, name, help)
}

pub(super) const fn number(name: &'static str, help: &'static str) -> Flag {
    Flag::new(Kind::Number, name, help)
}

pub(super) const fn duration(name: &'static str, help: &'static str) -> Flag {
    Flag::new(Kind::Duration, name, help)
}

pub(super) const fn moment(name: &'static str, help: &'static str) -> Flag {
    Flag::new(Kind::Moment, name, help)
}

pub(super) const fn list(name: &'static str, help: &'static str) -> Flag {
    Flag::new(Kind::List, name, help)
}
