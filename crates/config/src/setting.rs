//! Sans-IO. Values of the file's settings as flags want them: the types must fit exactly.

use crate::duration::Span;
use crate::error::ConfigError;
use crate::yaml::Value;

/// What a flag wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text or a path.
    Text,
    /// A truth value.
    Switch,
    /// A whole number.
    Integer,
    /// A length of time, as a text.
    Duration,
    /// A list of texts.
    List,
}

/// The value of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// A text or a path.
    Text(String),
    /// A truth value.
    Switch(bool),
    /// A whole number.
    Integer(i64),
    /// A length of time.
    Duration(Span),
    /// A list of texts.
    List(Vec<String>),
}

impl Setting {
    /// Fits the value that a file has for the flag called `name`.
    ///
    /// # Errors
    ///
    /// Says which type is wanted and which was found, in upstream's words.
    pub fn read(name: &str, kind: Kind, value: &Value) -> Result<Self, ConfigError> {
        match (kind, value) {
            (Kind::Text, Value::Text(text)) => Ok(Self::Text(text.clone())),
            (Kind::Switch, Value::Bool(value)) => Ok(Self::Switch(*value)),
            (Kind::Integer, Value::Int(value)) => Ok(Self::Integer(*value)),
            (Kind::Duration, Value::Text(text)) => {
                let told = |error: adit_dialect::DurationError| {
                    ConfigError::new(error.to_string()).hint(format!("{name}: 30s"))
                };
                Span::parse(text).map(Self::Duration).map_err(told)
            }
            (Kind::List, Value::List(items)) => list(items),
            _ => {
                let found = value.type_name();
                let problem = format!("expected {} found {found} for {name}", kind.wanted());
                let error = ConfigError::new(problem);
                Err(match kind.example(value) {
                    Some(example) => error.hint(format!("write `{name}: {example}`")),
                    None => error,
                })
            }
        }
    }

    /// Returns whether the setting counts as not said: false, empty, or not above zero.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Switch(value) => !value,
            Self::Integer(value) => *value <= 0,
            Self::Duration(span) => span.nanos() <= 0,
            Self::List(items) => items.is_empty(),
        }
    }
}

impl Kind {
    const fn wanted(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Switch => "boolean",
            Self::Integer => "int",
            Self::Duration => "duration",
            Self::List => "string slice",
        }
    }

    /// Returns how the value found would have to be written.
    fn example(self, found: &Value) -> Option<String> {
        match (self, found) {
            (Self::Text, Value::Int(_) | Value::Uint(_) | Value::Float(_) | Value::Bool(_)) => {
                Some(format!("'{}'", found.print()))
            }
            (Self::Switch, Value::Text(text)) => match text.to_ascii_lowercase().as_str() {
                "yes" | "on" | "y" | "true" => Some(String::from("true")),
                "no" | "off" | "n" | "false" => Some(String::from("false")),
                _ => None,
            },
            (Self::Duration, Value::Int(seconds)) => Some(format!("{seconds}s")),
            (Self::List, Value::Text(text)) => Some(format!("[{text}]")),
            _ => None,
        }
    }
}

/// Takes a list of texts; upstream calls the type of a wrong element `int`, whatever it is.
fn list(items: &[Value]) -> Result<Setting, ConfigError> {
    let text = |item: &Value| {
        if let Value::Text(text) = item {
            return Ok(text.clone());
        }
        let item = item.print();
        Err(ConfigError::new(format!("expected string, found int for {item}")))
    };
    items
        .iter()
        .map(text)
        .collect::<Result<_, _>>()
        .map(Setting::List)
}
