//! Sans-IO. Lays the values of a JSON text over values of known types.

use std::borrow::Cow;

use super::text::same_name;
use super::value::{Document, Kind, Value};
use crate::base64;
use crate::error::JsonError;
use crate::number;

/// Reads a JSON text into what `read` fills.
///
/// # Errors
///
/// Fails when the text is no JSON, with the first refusal that `read` returns, and otherwise with
/// the first value of a wrong type; the others have been filled in then.
pub fn decode(
    text: impl AsRef<[u8]>,
    read: impl FnOnce(&mut Decoder, Value<'_>) -> Result<(), JsonError>,
) -> Result<(), JsonError> {
    let document = Document::parse(text.as_ref())?;
    let mut decoder = Decoder::default();
    read(&mut decoder, document.root())?;
    decoder.wrong.map_or(Ok(()), Err)
}

/// Where a value stands, and the first that had a wrong type.
///
/// The types that are named to its methods are those that messages show. `null` changes nothing,
/// except in [`bytes`](Self::bytes) and [`list`](Self::list), which it empties.
#[derive(Debug, Default)]
pub struct Decoder {
    structure: &'static str,
    fields: Vec<&'static str>,
    wrong: Option<JsonError>,
}

impl Decoder {
    /// Reads an object: calls `field` for each entry whose name is one of `names`, in order.
    ///
    /// # Errors
    ///
    /// Fails as `field` does.
    pub fn object(
        &mut self,
        value: Value<'_>,
        wanted: &'static str,
        names: &[&'static str],
        mut field: impl FnMut(&mut Self, &'static str, Value<'_>) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        if value.kind() != Kind::Object {
            self.mismatch(value, wanted);
            return Ok(());
        }
        let short = wanted.rsplit('.').next().unwrap_or(wanted);
        let outer = std::mem::replace(&mut self.structure, short);
        for (given, value) in value.entries() {
            let exact = names.iter().find(|name| **name == given);
            let Some(name) = exact.or_else(|| names.iter().find(|name| same_name(&given, name))) else {
                continue;
            };
            self.fields.push(name);
            field(self, name, value)?;
            self.fields.pop();
        }
        self.structure = outer;
        Ok(())
    }

    /// Reads an array over `items`, element over element; what is left over is removed.
    ///
    /// # Errors
    ///
    /// Fails as `element` does.
    pub fn list<T: Default>(
        &mut self,
        value: Value<'_>,
        wanted: &'static str,
        items: &mut Vec<T>,
        mut element: impl FnMut(&mut Self, Value<'_>, &mut T) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        if value.is_null() {
            items.clear();
            return Ok(());
        }
        if value.kind() != Kind::Array {
            self.mismatch(value, wanted);
            return Ok(());
        }
        let mut count = 0;
        for value in value.items() {
            if count == items.len() {
                items.push(T::default());
            }
            element(self, value, &mut items[count])?;
            count += 1;
        }
        items.truncate(count);
        Ok(())
    }

    /// Reads a string.
    pub fn string(&mut self, value: Value<'_>, target: &mut String) {
        if let Some(text) = self.text(value, "string") {
            *target = text.into_owned();
        }
    }

    /// Reads a boolean.
    pub fn boolean(&mut self, value: Value<'_>, target: &mut bool) {
        match value.as_bool() {
            Some(truth) => *target = truth,
            None => self.mismatch(value, "bool"),
        }
    }

    /// Reads an integer.
    pub fn integer(&mut self, value: Value<'_>, wanted: &'static str, target: &mut i64) {
        let read = value.as_number().map(number::decimal_i64);
        match read {
            Some(Ok(number)) => *target = number,
            _ => self.mismatch_of_number(value, wanted),
        }
    }

    /// Reads an integer without a sign.
    pub fn unsigned(&mut self, value: Value<'_>, wanted: &'static str, target: &mut u64) {
        let read = value.as_number().map(number::decimal_u64);
        match read {
            Some(Ok(number)) => *target = number,
            _ => self.mismatch_of_number(value, wanted),
        }
    }

    /// Reads bytes: a string of base64, or an array of numbers.
    pub fn bytes(&mut self, value: Value<'_>, target: &mut Option<Vec<u8>>) {
        match value.kind() {
            Kind::Null => *target = None,
            Kind::Array => *target = Some(self.numbers(value)),
            Kind::Bool | Kind::Number | Kind::String | Kind::Object => match self
                .text(value, "[]uint8")
                .map(|text| base64::decode(text.as_bytes()))
            {
                Some(Ok(bytes)) => *target = Some(bytes),
                Some(Err(error)) => self.wrong(JsonError::Value(error.to_string())),
                None => {}
            },
        }
    }

    /// Returns the content of a string; anything else has a wrong type.
    pub fn text<'d>(&mut self, value: Value<'d>, wanted: &'static str) -> Option<Cow<'d, str>> {
        let text = value.as_str();
        if text.is_none() {
            self.mismatch(value, wanted);
        }
        text
    }

    /// Notes that `value`, unless it is `null`, has another type than `wanted`.
    pub fn mismatch(&mut self, value: Value<'_>, wanted: &str) {
        let found = match value.kind() {
            Kind::Null => return,
            Kind::Bool => "bool",
            Kind::Number => "number",
            Kind::String => "string",
            Kind::Array => "array",
            Kind::Object => "object",
        };
        self.mismatch_as(found.to_owned(), wanted);
    }

    /// Notes an error that does not stop the reading; the first one counts.
    pub fn wrong(&mut self, error: JsonError) {
        self.wrong.get_or_insert(error);
    }

    fn mismatch_of_number(&mut self, value: Value<'_>, wanted: &str) {
        match value.as_number() {
            Some(text) => self.mismatch_as(format!("number {text}"), wanted),
            None => self.mismatch(value, wanted),
        }
    }

    fn mismatch_as(&mut self, found: String, wanted: &str) {
        let place = if self.fields.is_empty() {
            "value".to_owned()
        } else {
            format!("struct field {}.{}", self.structure, self.fields.join("."))
        };
        self.wrong(JsonError::Type {
            found,
            place,
            wanted: wanted.to_owned(),
        });
    }

    fn numbers(&mut self, value: Value<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        for item in value.items() {
            let byte = item.as_number().and_then(|text| text.parse().ok());
            if byte.is_none() {
                self.mismatch_of_number(item, "uint8");
            }
            bytes.push(byte.unwrap_or_default());
        }
        bytes
    }
}
