//! Values of flags from the configuration file: strictly typed, as upstream is.

use adit_config::Value as Written;
use adit_dialect::duration;

use super::flag::{Flag, Kind};
use super::value::Value;

/// Returns the value that the configuration file gives a flag.
///
/// # Errors
///
/// Fails for a value of another type, in upstream's words.
pub(crate) fn read(flag: &Flag, written: &Written) -> Result<Value, String> {
    let misfit = |wanted: &str| {
        let found = written.type_name();
        Err(format!("expected {wanted} found {found} for {}", flag.name))
    };
    match (flag.kind, written) {
        (Kind::Text | Kind::Path, Written::Text(text)) => Ok(Value::Text(text.clone())),
        (Kind::Moment, Written::Text(text)) => Ok(Value::Moment(text.clone())),
        (Kind::Text | Kind::Path | Kind::Moment, _) => misfit("string"),
        (Kind::Switch, Written::Bool(on)) => Ok(Value::Switch(*on)),
        (Kind::Switch, _) => misfit("boolean"),
        (Kind::Integer, Written::Int(number)) => Ok(Value::Integer(*number)),
        (Kind::Integer, _) => misfit("int"),
        (Kind::Unsigned, Written::Int(number)) if *number >= 0 => Ok(Value::Unsigned(number.unsigned_abs())),
        (Kind::Unsigned, _) => misfit("uint64"),
        (Kind::Number, Written::Float(number)) => Ok(Value::Number(*number)),
        (Kind::Number, _) => misfit("float64"),
        (Kind::Duration, Written::Text(text)) => match duration::parse(text) {
            Ok(nanos) => Ok(Value::Duration(nanos)),
            Err(error) => Err(error.to_string()),
        },
        (Kind::Duration, _) => misfit("duration"),
        (Kind::List, Written::List(items)) => {
            items.iter().map(item).collect::<Result<_, _>>().map(Value::List)
        }
        (Kind::List, _) => misfit("string slice"),
    }
}

/// Reads an item of a list. Upstream names the type of the item's number instead of the item's.
fn item(written: &Written) -> Result<String, String> {
    match written {
        Written::Text(text) => Ok(text.clone()),
        other => Err(format!("expected string, found int for {}", other.print())),
    }
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
            assert_eq!(read(flag(name), &written), expected.map_err(str::to_owned));
        }
    }
}
