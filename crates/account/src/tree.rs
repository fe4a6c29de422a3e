//! Sans-IO. What a command prints for programs: one tree, written as JSON or as YAML.

use adit_dialect::json::Writer;

use crate::Id;
use crate::error::Error;
use crate::moment::Moment;
use crate::yaml;

/// A value with its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree {
    /// Named parts, in order.
    Object(Vec<Part>),
    /// Parts in order; nothing is `null` in JSON and empty in YAML.
    List(Option<Vec<Self>>),
    /// A text.
    Text(String),
    /// A text that YAML writes as it is: a moment.
    Plain(String),
    /// True or false.
    Switch(bool),
    /// A number.
    Number(i64),
    /// No value.
    Nothing,
}

/// A named part; some have another name or another value in YAML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub(crate) json: Option<&'static str>,
    pub(crate) yaml: Option<&'static str>,
    pub(crate) value: Tree,
}

/// The formats that programs read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

impl Format {
    /// Returns the format of this name.
    ///
    /// # Errors
    ///
    /// Fails for any other name.
    pub fn read(name: &str) -> Result<Self, Error> {
        match name {
            "json" => Ok(Self::Json),
            "yaml" => Ok(Self::Yaml),
            _ => Err(Error::Address(format!("Unknown output format '{name}'"))),
        }
    }
}

impl Part {
    /// Makes a part with its names in JSON and in YAML.
    #[must_use]
    pub fn new(json: &'static str, yaml: &'static str, value: impl Into<Tree>) -> Self {
        Self {
            json: Some(json),
            yaml: Some(yaml),
            value: value.into(),
        }
    }

    /// Makes a part that only JSON has.
    #[must_use]
    pub fn json(name: &'static str, value: impl Into<Tree>) -> Self {
        Self {
            json: Some(name),
            yaml: None,
            value: value.into(),
        }
    }

    /// Makes a part that only YAML has.
    #[must_use]
    pub fn yaml(name: &'static str, value: impl Into<Tree>) -> Self {
        Self {
            json: None,
            yaml: Some(name),
            value: value.into(),
        }
    }
}

impl From<&str> for Tree {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Tree {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Id> for Tree {
    fn from(id: Id) -> Self {
        Self::Text(id.to_string())
    }
}

impl From<&Moment> for Tree {
    fn from(moment: &Moment) -> Self {
        Self::Plain(moment.to_string())
    }
}

impl From<bool> for Tree {
    fn from(truth: bool) -> Self {
        Self::Switch(truth)
    }
}

impl Tree {
    /// Returns the tree as a text that ends with a newline.
    #[must_use]
    pub fn write(&self, format: Format) -> String {
        match format {
            Format::Json => {
                let mut out = String::new();
                self.json(0, &mut out);
                out.push('\n');
                out
            }
            Format::Yaml => yaml::write(self),
        }
    }

    fn json(&self, depth: usize, out: &mut String) {
        match self {
            Self::Object(parts) => {
                let parts: Vec<_> = parts
                    .iter()
                    .filter_map(|part| Some((part.json?, &part.value)))
                    .collect();
                surround(('{', '}'), depth, &parts, out, |(name, value), out| {
                    out.push_str(&format!("\"{name}\": "));
                    value.json(depth + 1, out);
                });
            }
            Self::List(Some(items)) => {
                surround(('[', ']'), depth, items, out, |item, out| {
                    item.json(depth + 1, out);
                });
            }
            Self::Text(text) | Self::Plain(text) => {
                let mut writer = Writer::new();
                writer.string(text);
                out.push_str(&writer.finish());
            }
            Self::Switch(truth) => out.push_str(if *truth { "true" } else { "false" }),
            Self::Number(number) => out.push_str(&number.to_string()),
            Self::List(None) | Self::Nothing => out.push_str("null"),
        }
    }
}

/// Writes items between brackets, each on a line of its own.
fn surround<T>(
    (open, close): (char, char),
    depth: usize,
    items: &[T],
    out: &mut String,
    mut one: impl FnMut(&T, &mut String),
) {
    out.push(open);
    for (index, item) in items.iter().enumerate() {
        out.push_str(if index == 0 { "\n" } else { ",\n" });
        out.push_str(&"  ".repeat(depth + 1));
        one(item, out);
    }
    if !items.is_empty() {
        out.push('\n');
        out.push_str(&"  ".repeat(depth));
    }
    out.push(close);
}
