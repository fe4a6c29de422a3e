//! Sans-IO. Lines of a live log, read and printed.

use std::borrow::Cow;
use std::collections::BTreeMap;

use adit_dialect::json::{Document, Kind, Value, Writer};

use super::LiveError;

/// A line of a live log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    time: String,
    level: String,
    message: String,
    event: String,
    /// Compact JSON with sorted names; nothing where there are no fields.
    fields: Option<String>,
}

/// The level and the kind of event that upstream leaves out, as those that count as zero.
const FIRST_LEVEL: &str = "debug";
const FIRST_EVENT: &str = "cloudflared";

/// Objects may not nest deeper where lines are printed.
const DEEPEST: usize = 64;

/// Reads a message of the management service.
pub(super) fn read(text: &(impl AsRef<[u8]> + ?Sized)) -> Result<Vec<Entry>, LiveError> {
    let document = Document::parse(text).map_err(|error| LiveError::Malformed(error.to_string()))?;
    let root = document.root();
    let kind = root.get("type").and_then(Value::as_str).unwrap_or_default();
    if kind != "logs" {
        return Err(LiveError::Unknown(kind.into_owned()));
    }
    Ok(root
        .get("logs")
        .into_iter()
        .flat_map(Value::items)
        .map(entry)
        .collect())
}

fn entry(value: Value<'_>) -> Entry {
    let text = |name| {
        value
            .get(name)
            .and_then(Value::as_str)
            .map(Cow::into_owned)
            .unwrap_or_default()
    };
    let or = |text: String, first: &str| if text.is_empty() { first.to_owned() } else { text };
    let fields = value.get("fields").filter(|fields| fields.kind() == Kind::Object);
    Entry {
        time: text("time"),
        level: or(text("level"), FIRST_LEVEL),
        message: text("message"),
        event: or(text("event"), FIRST_EVENT),
        fields: fields.map(|fields| {
            let mut writer = Writer::new();
            write(fields, &mut writer, 0);
            writer.finish()
        }),
    }
}

/// Writes a value with the names of objects sorted.
fn write(value: Value<'_>, writer: &mut Writer, depth: usize) {
    match value.kind() {
        Kind::Object if depth < DEEPEST => {
            writer.begin_object();
            let entries: BTreeMap<_, _> = value
                .entries()
                .map(|(name, value)| (name.into_owned(), value))
                .collect();
            for (name, value) in entries {
                writer.key(&name);
                write(value, writer, depth + 1);
            }
            writer.end_object();
        }
        Kind::Array if depth < DEEPEST => {
            writer.begin_array();
            for value in value.items() {
                write(value, writer, depth + 1);
            }
            writer.end_array();
        }
        Kind::String => {
            writer.string(value.as_str().unwrap_or_default().as_bytes());
        }
        Kind::Number => {
            let number = value.as_number().and_then(|number| number.parse().ok());
            writer.float(number.unwrap_or_default());
        }
        Kind::Bool => {
            writer.boolean(value.as_bool() == Some(true));
        }
        Kind::Null | Kind::Object | Kind::Array => {
            writer.null();
        }
    }
}

impl Entry {
    /// Returns the line for people.
    #[must_use]
    pub fn line(&self) -> String {
        let Self {
            time,
            level,
            message,
            event,
            fields,
        } = self;
        let fields = fields.as_deref().unwrap_or("null");
        format!("{time} {level} {event} {message} {fields}\n")
    }

    /// Returns the line for programs. What counts as zero is left out, as programs expect it.
    #[must_use]
    pub fn json(&self) -> String {
        let mut writer = Writer::new();
        writer.begin_object();
        let texts = [
            ("time", &self.time, ""),
            ("level", &self.level, FIRST_LEVEL),
            ("message", &self.message, ""),
            ("event", &self.event, FIRST_EVENT),
        ];
        for (name, text, zero) in texts {
            if text != zero {
                writer.key(name).string(text);
            }
        }
        if let Some(fields) = self.fields.as_deref().filter(|fields| *fields != "{}") {
            writer.key("fields").raw(fields);
        }
        writer.end_object();
        format!("{}\n", writer.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_printed_for_people_and_for_programs() {
        let message = r#"{"type":"logs","logs":[
            {"time":"T","level":"info","message":"hello","event":"cloudflared","fields":{"b":2,"a":"x <y>"}},
            {"time":"T","level":"debug","message":"m","event":"http","fields":{}}]}"#;
        let entries = read(message).unwrap_or_default();
        let lines: Vec<_> = entries.iter().map(Entry::line).collect();
        assert_eq!(
            lines,
            [
                "T info cloudflared hello {\"a\":\"x \\u003cy\\u003e\",\"b\":2}\n",
                "T debug http m {}\n",
            ]
        );
        let lines: Vec<_> = entries.iter().map(Entry::json).collect();
        assert_eq!(
            lines,
            [
                "{\"time\":\"T\",\"level\":\"info\",\"message\":\"hello\",\"fields\":{\"a\":\"x \\u003cy\\u003e\",\"b\":2}}\n",
                "{\"time\":\"T\",\"message\":\"m\",\"event\":\"http\"}\n",
            ]
        );
    }

    #[test]
    fn other_messages_end_the_log() {
        let told = |text: &str| read(text).map_err(|error| error.to_string());
        let unknown = "invalid server message type was provided: weird";
        assert_eq!(told(r#"{"type":"weird"}"#), Err(unknown.into()));
        assert!(told("nonsense").is_err());
    }
}
