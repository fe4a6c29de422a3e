//! One event on its way to the log.

use std::fmt;
use std::time::SystemTime;

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

/// Fields whose text is JSON and is shown as such.
///
/// `tracing` knows no lists; whoever logs one writes it as `?list`, which is JSON for texts.
const STRUCTURED: &[&str] = &["addresses", "features", "headers"];

/// Header fields whose values never reach a log.
const PRIVATE: &[&str] = &[
    "authorization",
    "cf-access-client-id",
    "cf-access-client-secret",
    "cf-access-jwt-assertion",
    "cf-access-token",
    "cookie",
    "proxy-authorization",
    "set-cookie",
];

/// What stands in place of a secret.
pub(crate) const HIDDEN: &str = "*****";

/// One event.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// When it happened.
    pub(crate) time: SystemTime,
    /// How urgent it is.
    pub(crate) level: Level,
    /// What happened; empty for events that are all fields.
    pub(crate) message: String,
    /// The circumstances, each name once, in the order of the program.
    pub(crate) fields: Fields,
}

/// Named values in the order they were given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(pub(crate) Vec<(&'static str, Value)>);

impl Record {
    /// Reads an event that happens in the given circumstances.
    pub(super) fn of(event: &Event<'_>, context: Fields) -> Self {
        let mut reader = Reader {
            message: String::new(),
            fields: context,
        };
        event.record(&mut reader);
        Self {
            time: SystemTime::now(),
            level: *event.metadata().level(),
            message: reader.message,
            fields: reader.fields,
        }
    }
}

impl Fields {
    /// Sets a field; a second value replaces the first.
    pub(super) fn set(&mut self, name: &'static str, value: Value) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some(field) => field.1 = value,
            None => self.0.push((name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field.name(), meant(field.name(), format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field.name(), meant(field.name(), value.to_owned()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field.name(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field.name(), value.into());
    }

    fn record_error(&mut self, field: &Field, error: &(dyn std::error::Error + 'static)) {
        self.set(field.name(), chain(error).into());
    }
}

/// Reads the message apart from the other fields.
struct Reader {
    message: String,
    fields: Fields,
}

impl Visit for Reader {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.fields.record_debug(field, value);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.fields.record_str(field, value);
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.fields.record_i64(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.fields.record_u64(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.fields.record_f64(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.fields.record_bool(field, value);
    }

    fn record_error(&mut self, field: &Field, error: &(dyn std::error::Error + 'static)) {
        self.fields.record_error(field, error);
    }
}

/// Returns an error and its causes in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Returns the value that a text stands for.
fn meant(name: &str, text: String) -> Value {
    if !STRUCTURED.contains(&name) {
        return text.into();
    }
    match serde_json::from_str(&text) {
        Ok(Value::Object(mut headers)) if name == "headers" => {
            for (header, value) in &mut headers {
                if PRIVATE.iter().any(|known| known.eq_ignore_ascii_case(header)) {
                    *value = vec![HIDDEN].into();
                }
            }
            headers.into()
        }
        Ok(value @ (Value::Array(_) | Value::Object(_))) => value,
        _ => text.into(),
    }
}
