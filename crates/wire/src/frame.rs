//! Sans-IO. Whole Cap'n Proto messages on a stream: segment table and segments, unpacked.

use std::ops::Range;

use bytes::Bytes;

use crate::{DecodeError, Intake};

/// The most segments a message may have. Upstream reads no more.
pub const MAX_SEGMENTS: u32 = 513;

/// The most bytes a message may have, segment table included. Upstream reads no more.
pub const MAX_MESSAGE: usize = 64 * 1024 * 1024;

/// Bytes in a word, the unit of everything in a message.
pub(crate) const WORD: usize = 8;

/// One complete message as it arrived.
///
/// Texts read from it are slices of these bytes.
#[derive(Clone, Debug)]
pub struct Message {
    bytes: Bytes,
    first: Range<usize>,
    others: Vec<Range<usize>>,
}

impl Message {
    /// Takes the next message, or returns nothing while more bytes are needed.
    ///
    /// # Errors
    ///
    /// Fails as soon as the segment table announces more than a message may have.
    pub fn take(intake: &mut Intake) -> Result<Option<Self>, DecodeError> {
        let Some(length) = announced(intake.as_slice())? else {
            return Ok(None);
        };
        if intake.as_slice().len() < length {
            return Ok(None);
        }
        Ok(Some(Self::split(intake.split_to(length))))
    }

    /// Finds the segments of a message whose length is the announced one.
    fn split(bytes: Bytes) -> Self {
        let count = segment_count(&bytes) as usize;
        let mut start = table_length(count);
        let mut next = |index: usize| {
            let length = word_count(&bytes, index) * WORD;
            start += length;
            start - length..start
        };
        let first = next(0);
        let others = (1..count).map(next).collect();
        Self { bytes, first, others }
    }

    pub(crate) fn segment(&self, id: u32) -> Option<&[u8]> {
        Some(&self.bytes[self.range(id)?])
    }

    /// Returns part of a segment without copying it.
    pub(crate) fn slice(&self, id: u32, part: Range<usize>) -> Option<Bytes> {
        let start = self.range(id)?.start;
        Some(self.bytes.slice(start + part.start..start + part.end))
    }

    pub(crate) const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns the segment when there is only one.
    pub(crate) fn only_segment(&self) -> Option<&[u8]> {
        self.others.is_empty().then(|| &self.bytes[self.first.clone()])
    }

    fn range(&self, id: u32) -> Option<Range<usize>> {
        match id.checked_sub(1) {
            None => Some(self.first.clone()),
            Some(index) => self.others.get(index as usize).cloned(),
        }
    }
}

/// Returns what it means that a stream ended while [`Message::take`] needed more bytes.
#[must_use]
pub fn ended(intake: &Intake) -> DecodeError {
    let held = intake.as_slice();
    let table = if held.len() < WORD {
        0
    } else {
        table_length(segment_count(held) as usize)
    };
    // A message is read in up to three parts: first word, rest of the table, segments.
    if held.is_empty() || held.len() == table || (held.len() == WORD && table > WORD) {
        DecodeError::Ended
    } else {
        DecodeError::Truncated
    }
}

/// Returns the length of the whole message, once its segment table has arrived.
fn announced(held: &[u8]) -> Result<Option<usize>, DecodeError> {
    if held.len() < WORD {
        return Ok(None);
    }
    let count = segment_count(held);
    if count > MAX_SEGMENTS {
        return Err(DecodeError::TooManySegments);
    }
    let table = table_length(count as usize);
    if held.len() < table {
        return Ok(None);
    }
    let mut length = table;
    for index in 0..count as usize {
        length += word_count(held, index) * WORD;
        if length > MAX_MESSAGE {
            return Err(DecodeError::TooLarge);
        }
    }
    Ok(Some(length))
}

/// Returns the number of segments; the first four bytes hold one less.
fn segment_count(table: &[u8]) -> u32 {
    number(table, 0).saturating_add(1)
}

/// Returns the bytes of a table for that many segments, padded to whole words.
const fn table_length(segments: usize) -> usize {
    (4 + 4 * segments).next_multiple_of(WORD)
}

fn word_count(table: &[u8], index: usize) -> usize {
    number(table, 4 + 4 * index) as usize
}

fn number(bytes: &[u8], at: usize) -> u32 {
    let number = bytes.get(at..).and_then(<[u8]>::first_chunk);
    number.copied().map_or(0, u32::from_le_bytes)
}
