//! Turns records into lines.

use std::fmt::Write;

use adit_dialect::quote::quote;
use serde_json::Value;
use tracing::Level;

use super::record::Record;
use super::time;

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Console {
        /// Whether with colours.
        colour: bool,
    },
    /// As JSON, keys sorted.
    Sorted,
    /// As JSON, keys in the order of the program.
    Ordered,
}

/// Returns the line for a record, with its line feed.
pub(crate) fn line(record: &Record, format: Format) -> String {
    let mut line = match format {
        Format::Console { colour } => console(record, colour),
        Format::Sorted => sorted(record),
        Format::Ordered => ordered(record),
    };
    line.push('\n');
    line
}

fn console(record: &Record, colour: bool) -> String {
    let paint = Paint(colour);
    let (word, colours) = short(record.level);
    let mut line = paint.with(&["90"], &time::stamp(record.time));
    line.push(' ');
    line.push_str(&paint.with(colours, word));
    line.push(' ');
    line.push_str(&record.message);
    let mut fields: Vec<_> = record.fields.0.iter().collect();
    fields.sort_unstable_by_key(|(name, _)| (*name != "error", *name));
    for (name, value) in fields {
        let is_error = *name == "error";
        let name = paint.with(if is_error { &["31"] } else { &["36"] }, &format!("{name}="));
        let value = plain(value);
        let value = if is_error {
            paint.with(&["31"], &value)
        } else {
            value
        };
        line.push(' ');
        line.push_str(&name);
        line.push_str(&value);
    }
    line
}

/// Returns a value as the console shows it.
fn plain(value: &Value) -> String {
    let Value::String(text) = value else {
        return for_web(&sort(value).to_string());
    };
    let bare = |byte: u8| (0x21..=0x7e).contains(&byte) && byte != b'"' && byte != b'\\';
    if text.bytes().all(bare) {
        return text.clone();
    }
    quote(text)
}

fn sorted(record: &Record) -> String {
    let mut members: Vec<(&str, Value)> = vec![
        ("level", long(record.level).into()),
        ("time", time::stamp(record.time).into()),
    ];
    if !record.message.is_empty() {
        members.push(("message", record.message.clone().into()));
    }
    let fields = record.fields.0.iter();
    members.extend(fields.map(|(name, value)| (*name, sort(value))));
    members.sort_unstable_by_key(|(name, _)| *name);
    for_web(&object(&members))
}

fn ordered(record: &Record) -> String {
    let mut members: Vec<(&str, Value)> = vec![("level", long(record.level).into())];
    members.extend(record.fields.0.iter().cloned());
    members.push(("time", time::stamp(record.time).into()));
    if !record.message.is_empty() {
        members.push(("message", record.message.clone().into()));
    }
    object(&members)
}

fn object(members: &[(&str, Value)]) -> String {
    let mut text = String::from("{");
    for (name, value) in members {
        let comma = if text.len() > 1 { "," } else { "" };
        write!(text, "{comma}{}:{value}", Value::from(*name)).expect("a string takes any text");
    }
    text.push('}');
    text
}

/// Returns a value with the keys of its objects in order.
fn sort(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            let members = members
                .into_iter()
                .map(|(name, value)| (name.clone(), sort(value)));
            Value::Object(members.collect())
        }
        Value::Array(items) => items.iter().map(sort).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// Escapes in JSON what a web page could take for its own.
fn for_web(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                write!(text, "\\u{:04x}", u32::from(letter)).expect("a string takes any text");
            }
            _ => text.push(letter),
        }
    }
    text
}

/// Returns the three letters of a level and their colours.
const fn short(level: Level) -> (&'static str, &'static [&'static str]) {
    match level {
        Level::TRACE => ("TRC", &["35"]),
        Level::DEBUG => ("DBG", &["33"]),
        Level::INFO => ("INF", &["32"]),
        Level::WARN => ("WRN", &["31"]),
        Level::ERROR => ("ERR", &["31", "1"]),
    }
}

/// Returns the word for a level.
pub(crate) const fn long(level: Level) -> &'static str {
    match level {
        Level::TRACE => "trace",
        Level::DEBUG => "debug",
        Level::INFO => "info",
        Level::WARN => "warn",
        Level::ERROR => "error",
    }
}

/// Colours, if wanted.
#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    /// Wraps a text in colours, the first innermost.
    fn with(self, colours: &[&str], text: &str) -> String {
        if !self.0 {
            return text.to_owned();
        }
        let wrap = |text: String, colour: &&str| format!("\x1b[{colour}m{text}\x1b[0m");
        colours.iter().fold(text.to_owned(), wrap)
    }
}
