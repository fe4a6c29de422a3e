//! Values of flags from the configuration file: strictly typed, as upstream is.

use adit_config::setting::{self, Setting};
use adit_config::{ConfigError, Value as Written};

use super::flag::{Flag, Kind};
use super::value::Value;

/// Returns the value that the configuration file gives a flag.
///
/// # Errors
///
/// Fails for a value of another type, in upstream's words.
pub(crate) fn read(flag: &Flag, written: &Written) -> Result<Value, ConfigError> {
    let kind = match flag.kind {
        Kind::Text | Kind::Path | Kind::Moment => setting::Kind::Text,
        Kind::Switch => setting::Kind::Switch,
        // The file sets no flag of the latter two kinds.
        Kind::Integer | Kind::Unsigned | Kind::Number => setting::Kind::Integer,
        Kind::Duration => setting::Kind::Duration,
        Kind::List => setting::Kind::List,
    };
    Ok(match Setting::read(flag.name, kind, written)? {
        Setting::Text(text) => Value::Text(text),
        Setting::Switch(on) => Value::Switch(on),
        Setting::Integer(number) => Value::Integer(number),
        Setting::Duration(span) => Value::Duration(span.nanos()),
        Setting::List(items) => Value::List(items),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::flags::TUNNEL;

    fn flag(name: &str) -> &'static Flag {
        let mut flags = TUNNEL.iter().copied().flatten();
        flags.find(|flag| flag.name == name).unwrap()
    }

    #[test]
    fn types_must_fit() {
        let text = |text: &str| Written::Text(text.into());
        let cases = [
            ("retries", Written::Int(3), Ok(Value::Integer(3))),
            ("retries", text("3"), Err("expected int found string for retries")),
            (
                "retries",
                Written::Null,
                Err("expected int found <nil> for retries"),
            ),
            (
                "edge-ip-version",
                Written::Int(4),
                Err("expected string found int for edge-ip-version"),
            ),
            (
                "no-autoupdate",
                text("yes"),
                Err("expected boolean found string for no-autoupdate"),
            ),
            ("grace-period", text("5s"), Ok(Value::Duration(5_000_000_000))),
            (
                "grace-period",
                Written::Int(5),
                Err("expected duration found int for grace-period"),
            ),
            (
                "grace-period",
                text("30"),
                Err("time: missing unit in duration \"30\""),
            ),
            (
                "edge",
                text("a:1"),
                Err("expected string slice found string for edge"),
            ),
            (
                "edge",
                Written::List(vec![text("a:1")]),
                Ok(Value::List(vec!["a:1".into()])),
            ),
            (
                "edge",
                Written::List(vec![Written::Bool(true)]),
                Err("expected string, found int for true"),
            ),
        ];
        for (name, written, expected) in cases {
            let found = read(flag(name), &written).map_err(|error| error.problem);
            assert_eq!(found, expected.map_err(str::to_owned));
        }
    }
}
