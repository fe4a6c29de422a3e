//! Sans-IO. Values where the user is free to write what they like, with the names of their types
//! as error texts tell them.

use super::decode::{Decoded, Decoder, Scalar, Target, pairs};
use super::scalar::Plain;
use super::tree::{MERGE, NodeId, STR};

/// A value of a key that names a flag or nothing known.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number above the range of [`Value::Int`].
    Uint(u64),
    /// Any other number.
    Float(f64),
    /// A date or time, printed.
    Time(String),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Self>),
    /// A map with texts for keys.
    Map(Vec<(String, Self)>),
    /// A map with other keys among them.
    Mixed(Vec<(Self, Self)>),
}

impl Value {
    /// Returns the name of the type.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint64",
            Self::Float(_) => "float64",
            Self::Time(_) => "time.Time",
            Self::Text(_) => "string",
            Self::List(_) => "[]interface {}",
            Self::Map(_) => "map[string]interface {}",
            Self::Mixed(_) => "map[interface {}]interface {}",
        }
    }

    /// Returns a text that two keys share exactly when they are the same key.
    pub(super) fn identity(&self) -> String {
        format!("{}:{}", self.type_name(), self.print())
    }

    /// Prints the value as upstream prints a bare value.
    #[must_use]
    pub fn print(&self) -> String {
        match self {
            Self::Null => String::from("<nil>"),
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Uint(value) => value.to_string(),
            Self::Float(value) => print_float(*value),
            Self::Time(text) | Self::Text(text) => text.clone(),
            Self::List(items) => {
                let items: Vec<_> = items.iter().map(Self::print).collect();
                format!("[{}]", items.join(" "))
            }
            Self::Map(pairs) => print_map(pairs.iter().map(|(key, value)| (key.clone(), value.print()))),
            Self::Mixed(pairs) => print_map(pairs.iter().map(|(key, value)| (key.print(), value.print()))),
        }
    }
}

/// Prints a float in its shortest form; the exponent form is used below 1e-4 and from 1e6 on.
fn print_float(value: f64) -> String {
    if value.is_nan() {
        return String::from("NaN");
    }
    if value.is_infinite() {
        return String::from(if value > 0.0 { "+Inf" } else { "-Inf" });
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..FIRST_LONG_EXPONENT).contains(&exponent) {
        return value.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// The exponent from which on a float is printed in exponent form.
const FIRST_LONG_EXPONENT: i32 = 6;

fn print_map(pairs: impl Iterator<Item = (String, String)>) -> String {
    let mut pairs: Vec<_> = pairs.map(|(key, value)| format!("{key}:{value}")).collect();
    pairs.sort();
    format!("map[{}]", pairs.join(" "))
}

impl Target for Value {
    fn type_name(&self) -> &'static str {
        "interface {}"
    }

    fn null(&mut self) -> bool {
        *self = Self::Null;
        true
    }

    fn scalar(&mut self, scalar: &Scalar<'_>) -> bool {
        *self = match &scalar.value {
            Plain::Null => Self::Null,
            Plain::Bool(value) => Self::Bool(*value),
            Plain::Int(value) => Self::Int(*value),
            Plain::Uint(value) => Self::Uint(*value),
            Plain::Float(value) => Self::Float(*value),
            Plain::Time(text) => Self::Time(text.clone()),
            Plain::Text(text) => Self::Text(text.to_string()),
            Plain::Binary(text) => Self::Text(text.clone()),
        };
        true
    }

    fn sequence(&mut self, decoder: &mut Decoder<'_>, items: &[NodeId]) -> Option<Decoded> {
        let mut list = Vec::new();
        for &item in items {
            let mut value = Self::Null;
            match decoder.decode(item, &mut value) {
                Ok(true) => list.push(value),
                Ok(false) => {}
                Err(error) => return Some(Err(error)),
            }
        }
        *self = Self::List(list);
        Some(Ok(true))
    }

    fn mapping(&mut self, decoder: &mut Decoder<'_>, id: NodeId) -> Option<Decoded> {
        let texts = pairs(decoder.node(id))
            .iter()
            .all(|(key, _)| matches!(decoder.tag(*key), STR | MERGE));
        // Only a map that another one is merged into stands here already.
        let merging = matches!(self, Self::Map(_) | Self::Mixed(_));
        let mut entries = match (merging, texts) {
            (true, _) => std::mem::take(self),
            (false, true) => Self::Map(Vec::new()),
            (false, false) => Self::Mixed(Vec::new()),
        };
        let decoded = entries.fill(decoder, id);
        *self = entries;
        Some(decoded.map(|()| true))
    }
}

impl Value {
    fn fill(&mut self, decoder: &mut Decoder<'_>, id: NodeId) -> Result<(), super::YamlError> {
        let mut taken = decoder.take_keys();
        let mut merged = None;
        for &(key, value) in pairs(decoder.node(id)) {
            if decoder.is_merge(key) {
                merged = Some(value);
                continue;
            }
            let Some(key) = self.key(decoder, key)? else {
                continue;
            };
            if !Decoder::may_set(&mut taken, &key) {
                continue;
            }
            let mut entry = Self::Null;
            if decoder.decode(value, &mut entry)? {
                self.insert(key, entry);
            }
        }
        decoder.give_keys(taken);
        decoder.merge(id, merged, self)
    }

    /// Decodes a key as this map wants it; nothing if the key counts as none.
    fn key(&self, decoder: &mut Decoder<'_>, key: NodeId) -> Result<Option<Self>, super::YamlError> {
        if matches!(self, Self::Map(_)) {
            let mut text = String::new();
            let good = decoder.decode(key, &mut text)?;
            return Ok(good.then_some(Self::Text(text)));
        }
        let mut value = Self::Null;
        let good = decoder.decode(key, &mut value)?;
        if matches!(value, Self::List(_) | Self::Map(_) | Self::Mixed(_)) {
            let text = format!("invalid map key: {}", value.print());
            return Err(super::YamlError::broken(text));
        }
        Ok(good.then_some(value))
    }

    fn insert(&mut self, key: Self, value: Self) {
        match (self, key) {
            (Self::Map(pairs), Self::Text(key)) => {
                pairs.retain(|(known, _)| *known != key);
                pairs.push((key, value));
            }
            (Self::Mixed(pairs), key) => {
                pairs.retain(|(known, _)| *known != key);
                pairs.push((key, value));
            }
            _ => {}
        }
    }
}
