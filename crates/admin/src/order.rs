//! Sans-IO. What a follower of the live log asks for.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::tail::{Filter, Kind, Level};

/// An order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Order {
    /// To begin, with this filter.
    Start(Filter),
    /// To stop.
    Stop,
}

/// Why a message is no order: what its session is closed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misunderstood {
    pub(crate) code: u16,
    pub(crate) reason: String,
}

/// The message does not mean anything.
const UNSUPPORTED: u16 = 1003;

/// The message should begin to stream and cannot.
const NO_START: u16 = 4001;

impl Order {
    /// Reads a message.
    ///
    /// # Errors
    ///
    /// Fails for everything that is no order, in upstream's words.
    pub(crate) fn read(text: &[u8]) -> Result<Self, Misunderstood> {
        let message: Value = serde_json::from_slice(text).map_err(|error| no_json(text, &error))?;
        match message.get("type").and_then(Value::as_str) {
            Some("start_streaming") => Self::start(message.get("filters")),
            Some("stop_streaming") => Ok(Self::Stop),
            Some("logs") | None => unsupported("invalid message type was provided"),
            Some("") => unsupported("invalid message type was provided"),
            Some(other) => unsupported(&format!("invalid client message type was provided: {other}")),
        }
    }

    fn start(filters: Option<&Value>) -> Result<Self, Misunderstood> {
        let filters = filters.unwrap_or(&Value::Null);
        let level = said(filters, "level");
        let level = level.map(|level| level.as_str().and_then(Level::parse).ok_or_else(no_start));
        let mut kinds = BTreeSet::new();
        match &filters["events"] {
            Value::Null => {}
            Value::Array(names) => {
                for name in names {
                    kinds.insert(name.as_str().and_then(Kind::parse).ok_or_else(no_start)?);
                }
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => return Err(no_start()),
        }
        let share = said(filters, "sampling").map(|share| share.as_f64().ok_or_else(no_start));
        let share = share.transpose()?.filter(|share| *share > 0.0 && *share < 1.0);
        Ok(Self::Start(Filter {
            level: level.transpose()?,
            kinds,
            share,
        }))
    }
}

impl Misunderstood {
    /// Returns the answer to bytes that are no text.
    pub(crate) fn binary() -> Self {
        Self {
            code: UNSUPPORTED,
            reason: "expected text message for JSON but got: MessageBinary".into(),
        }
    }
}

/// Returns a member of the filters, unless it is null.
fn said<'a>(filters: &'a Value, name: &str) -> Option<&'a Value> {
    filters.get(name).filter(|value| !value.is_null())
}

fn unsupported(reason: &str) -> Result<Order, Misunderstood> {
    Err(Misunderstood {
        code: UNSUPPORTED,
        reason: reason.to_owned(),
    })
}

fn no_start() -> Misunderstood {
    Misunderstood {
        code: NO_START,
        reason: "expected start streaming as first event".into(),
    }
}

/// Says what is wrong with a text that is no JSON: where it begins with something else than an
/// object, in the words of upstream's decoder.
fn no_json(text: &[u8], error: &serde_json::Error) -> Misunderstood {
    let text = String::from_utf8_lossy(text);
    let trimmed = text.trim_start();
    let reason = match trimmed.chars().next() {
        Some(first) if first != '{' && first != 'n' => {
            let at = text.len() - trimmed.len() + first.len_utf8();
            let near: String = text.chars().take(at + 10).collect();
            let around: String = text.chars().take(at + 50).collect();
            format!(
                "readObjectStart: expect {{ or n, but found {first}, error found in #{at} byte of ...|{near}|..., \
                 bigger context ...|{around}|..."
            )
        }
        _ => error.to_string(),
    };
    Misunderstood {
        code: UNSUPPORTED,
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_orders_or_told_why_not() {
        let start = |level, share| {
            Ok(Order::Start(Filter {
                level,
                kinds: BTreeSet::new(),
                share,
            }))
        };
        let wrong = |code, reason: &str| {
            Err(Misunderstood {
                code,
                reason: reason.into(),
            })
        };
        let no_json = "readObjectStart: expect { or n, but found z, error found in #1 byte of ...|zzz|..., bigger \
                       context ...|zzz|...";
        let cases = [
            (r#"{"type":"start_streaming"}"#, start(None, None)),
            (
                r#"{"type":"start_streaming","filters":{"level":"warn","sampling":0.5}}"#,
                start(Some(Level::Warn), Some(0.5)),
            ),
            (
                r#"{"type":"start_streaming","filters":{"sampling":7}}"#,
                start(None, None),
            ),
            (r#"{"type":"stop_streaming"}"#, Ok(Order::Stop)),
            ("{}", wrong(1003, "invalid message type was provided")),
            (
                r#"{"type":"nope"}"#,
                wrong(1003, "invalid client message type was provided: nope"),
            ),
            (
                r#"{"type":"start_streaming","filters":{"events":["zzz"]}}"#,
                wrong(4001, "expected start streaming as first event"),
            ),
            ("zzz", wrong(1003, no_json)),
        ];
        for (text, expected) in cases {
            assert_eq!(Order::read(text.as_bytes()), expected, "{text}");
        }
    }
}
