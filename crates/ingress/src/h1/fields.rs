//! Sans-IO. Header lines as they arrive: one at a time, folded lines joined.

use std::ops::Range;

use adit_dialect::header::{is_token_byte, is_value};
use adit_dialect::quote::quote;
use bytes::{Bytes, BytesMut};
use memchr::memchr;

/// A header block that is being read.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    /// Where the line that is being read starts.
    line: usize,
    /// How far the search for its end has come.
    scanned: usize,
    fields: Vec<Field>,
}

#[derive(Debug)]
struct Field {
    name: Range<usize>,
    value: Value,
}

#[derive(Debug)]
enum Value {
    At(Range<usize>),
    Joined(Vec<u8>),
}

/// A header block as it was read: names as spelled, values trimmed.
pub(crate) type Block = Vec<(Bytes, Bytes)>;

impl Fields {
    /// Returns a reader of the block that starts at `start`.
    pub(crate) const fn starting_at(start: usize) -> Self {
        Self {
            line: start,
            scanned: start,
            fields: Vec::new(),
        }
    }

    /// Reads on in `buffer`, which holds at least what it held before.
    ///
    /// Returns the end of the block, behind its blank line, when it is there.
    pub(crate) fn read(&mut self, buffer: &[u8]) -> Result<Option<usize>, String> {
        while let Some(end) = self.line_end(buffer) {
            let line = without_ending(&buffer[self.line..=end]);
            if line.is_empty() {
                return Ok(Some(end + 1));
            }
            let starts_with_space = matches!(line[0], b' ' | b'\t');
            match (starts_with_space, self.fields.last_mut()) {
                (true, None) => {
                    return Err(format!("malformed MIME header initial line: {}", quote(line)));
                }
                (true, Some(field)) => field.join(buffer, line)?,
                (false, _) => {
                    let field = Field::parse(line, self.line)?;
                    self.fields.push(field);
                }
            }
            self.line = end + 1;
            self.scanned = self.line;
        }
        Ok(None)
    }

    /// Cuts the fields out of the bytes they were read from.
    pub(crate) fn cut(self, buffer: &Bytes) -> Block {
        let cut = |field: Field| {
            let value = match field.value {
                Value::At(range) => buffer.slice(range),
                Value::Joined(value) => Bytes::from(value),
            };
            (buffer.slice(field.name), value)
        };
        self.fields.into_iter().map(cut).collect()
    }

    fn line_end(&mut self, buffer: &[u8]) -> Option<usize> {
        let found = memchr(b'\n', &buffer[self.scanned..]);
        match found {
            Some(offset) => Some(self.scanned + offset),
            None => {
                self.scanned = buffer.len();
                None
            }
        }
    }
}

impl Field {
    fn parse(line: &[u8], start: usize) -> Result<Self, String> {
        let Some(colon) = memchr(b':', line) else {
            return Err(format!("malformed MIME header: missing colon: {}", quote(line)));
        };
        let malformed = || format!("malformed MIME header line: {}", quote(trim(line)));
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        let is_name = |byte: &u8| is_token_byte(*byte) || *byte == b' ';
        if name.is_empty() || !name.iter().all(is_name) || !is_value(value) {
            return Err(malformed());
        }
        let trimmed = trim(value);
        let value_start = start + colon + 1 + offset_of(value, trimmed);
        Ok(Self {
            name: start..start + colon,
            value: Value::At(value_start..value_start + trimmed.len()),
        })
    }

    fn join(&mut self, buffer: &[u8], line: &[u8]) -> Result<(), String> {
        if !is_value(line) {
            return Err(format!("malformed MIME header line: {}", quote(trim(line))));
        }
        let mut joined = match &mut self.value {
            Value::At(range) => buffer[range.clone()].to_vec(),
            Value::Joined(value) => std::mem::take(value),
        };
        if !joined.is_empty() {
            joined.push(b' ');
        }
        joined.extend_from_slice(trim(line));
        self.value = Value::Joined(joined);
        Ok(())
    }
}

/// Removes spaces and tabs at both ends.
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// Returns the first line of `buffer` without its ending, and where the next one starts.
pub(crate) fn first_line(buffer: &BytesMut) -> Option<(&[u8], usize)> {
    let end = memchr(b'\n', buffer)?;
    Some((without_ending(&buffer[..=end]), end + 1))
}

fn without_ending(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn offset_of(whole: &[u8], trimmed: &[u8]) -> usize {
    let leading = whole
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    if trimmed.is_empty() { 0 } else { leading }
}
