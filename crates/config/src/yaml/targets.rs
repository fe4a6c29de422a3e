//! Sans-IO. How scalars, lists and optional values are filled from YAML.

use super::decode::{Decoded, Decoder, Scalar, Target};
use super::scalar::Plain;
use super::tree::NodeId;
use crate::duration::Span;
use crate::file::Uint;

impl Target for String {
    fn type_name(&self) -> &'static str {
        "string"
    }

    /// Any scalar is a text: its source.
    fn scalar(&mut self, scalar: &Scalar<'_>) -> bool {
        match &scalar.value {
            Plain::Binary(text) => self.clone_from(text),
            Plain::Null
            | Plain::Bool(_)
            | Plain::Int(_)
            | Plain::Uint(_)
            | Plain::Float(_)
            | Plain::Time(_)
            | Plain::Text(_) => scalar.text.clone_into(self),
        }
        true
    }
}

impl Target for bool {
    fn type_name(&self) -> &'static str {
        "bool"
    }

    /// Texts of YAML 1.1 count here, and only here.
    fn scalar(&mut self, scalar: &Scalar<'_>) -> bool {
        let value = match &scalar.value {
            Plain::Bool(value) => Some(*value),
            Plain::Text(text) => old_bool(text),
            Plain::Binary(text) => old_bool(text),
            Plain::Null | Plain::Int(_) | Plain::Uint(_) | Plain::Float(_) | Plain::Time(_) => None,
        };
        value.map(|value| *self = value).is_some()
    }
}

fn old_bool(text: &str) -> Option<bool> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

impl Target for i64 {
    fn type_name(&self) -> &'static str {
        "int"
    }

    fn scalar(&mut self, scalar: &Scalar<'_>) -> bool {
        let value = match &scalar.value {
            Plain::Int(value) => Some(*value),
            Plain::Float(value) => cut_signed(*value),
            Plain::Uint(_)
            | Plain::Null
            | Plain::Bool(_)
            | Plain::Time(_)
            | Plain::Text(_)
            | Plain::Binary(_) => None,
        };
        value.map(|value| *self = value).is_some()
    }
}

/// Cuts a fraction off; what lies below the range becomes its lower end, as upstream has it.
#[expect(
    clippy::cast_possible_truncation,
    reason = "cutting off the fraction is the rule"
)]
fn cut_signed(value: f64) -> Option<i64> {
    const END: f64 = 9_223_372_036_854_775_808.0;
    match value {
        END => Some(i64::MIN),
        value if value < END => Some(value as i64),
        _ => None,
    }
}

/// Cuts a fraction off; a negative number wraps, as upstream has it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "cutting off the fraction is the rule, and so is wrapping"
)]
fn cut_unsigned(value: f64) -> Option<u64> {
    const END: f64 = 18_446_744_073_709_551_616.0;
    match value {
        END => Some(0),
        value if value < 0.0 => Some(value as i64 as u64),
        value if value < END => Some(value as u64),
        _ => None,
    }
}

fn unsigned(scalar: &Scalar<'_>) -> Option<u64> {
    match &scalar.value {
        Plain::Int(value) => u64::try_from(*value).ok(),
        Plain::Uint(value) => Some(*value),
        Plain::Float(value) => cut_unsigned(*value),
        Plain::Null | Plain::Bool(_) | Plain::Time(_) | Plain::Text(_) | Plain::Binary(_) => None,
    }
}

impl Target for u64 {
    fn type_name(&self) -> &'static str {
        "uint64"
    }

    fn scalar(&mut self, scalar: &Scalar<'_>) -> bool {
        unsigned(scalar).map(|value| *self = value).is_some()
    }
}

impl Target for Uint {
    fn type_name(&self) -> &'static str {
        "uint"
    }

    fn scalar(&mut self, scalar: &Scalar<'_>) -> bool {
        unsigned(scalar).map(|value| self.0 = value).is_some()
    }
}

impl Target for Span {
    fn type_name(&self) -> &'static str {
        "time.Duration"
    }

    fn scalar(&mut self, scalar: &Scalar<'_>) -> bool {
        let text = match &scalar.value {
            Plain::Text(text) => text.as_ref(),
            Plain::Binary(text) => text,
            Plain::Null
            | Plain::Bool(_)
            | Plain::Int(_)
            | Plain::Uint(_)
            | Plain::Float(_)
            | Plain::Time(_) => return false,
        };
        Self::parse(text).map(|span| *self = span).is_ok()
    }
}

/// An optional value has the type of its value; nothing takes it away.
impl<T: Target + Default> Target for Option<T> {
    fn type_name(&self) -> &'static str {
        T::default().type_name()
    }

    fn null(&mut self) -> bool {
        *self = None;
        true
    }

    fn scalar(&mut self, scalar: &Scalar<'_>) -> bool {
        self.get_or_insert_default().scalar(scalar)
    }

    fn sequence(&mut self, decoder: &mut Decoder<'_>, items: &[NodeId]) -> Option<Decoded> {
        self.get_or_insert_default().sequence(decoder, items)
    }

    fn mapping(&mut self, decoder: &mut Decoder<'_>, id: NodeId) -> Option<Decoded> {
        self.get_or_insert_default().mapping(decoder, id)
    }
}

/// What a list of this type is called.
pub(crate) trait Item: Target + Default {
    /// The name of the list's type.
    const LIST: &'static str;
}

impl Item for String {
    const LIST: &'static str = "[]string";
}

impl Item for i64 {
    const LIST: &'static str = "[]int";
}

impl<T: Item> Target for Vec<T> {
    fn type_name(&self) -> &'static str {
        T::LIST
    }

    fn null(&mut self) -> bool {
        self.clear();
        true
    }

    /// Items that are nothing are dropped.
    fn sequence(&mut self, decoder: &mut Decoder<'_>, items: &[NodeId]) -> Option<Decoded> {
        self.clear();
        for &item in items {
            let mut value = T::default();
            match decoder.decode(item, &mut value) {
                Ok(true) => self.push(value),
                Ok(false) => {}
                Err(error) => return Some(Err(error)),
            }
        }
        Some(Ok(true))
    }
}
