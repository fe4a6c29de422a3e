//! Sans-IO. Bytes that have arrived and are not yet understood.

use bytes::{Bytes, BytesMut};

/// The unread bytes at the front of a stream.
///
/// A chunk that holds a whole value is never copied; only a value that arrives in pieces is put
/// together. Nothing is reserved for bytes that have merely been announced.
#[derive(Debug)]
pub struct Intake(Held);

#[derive(Debug)]
enum Held {
    Chunk(Bytes),
    Pieces(BytesMut),
}

impl Intake {
    /// Returns an intake that holds nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(Held::Chunk(Bytes::new()))
    }

    /// Adds the bytes that arrived next.
    pub fn push(&mut self, chunk: Bytes) {
        match &mut self.0 {
            Held::Chunk(held) if held.is_empty() => *held = chunk,
            Held::Chunk(_) => self.buffer().extend_from_slice(&chunk),
            Held::Pieces(pieces) if pieces.is_empty() => self.0 = Held::Chunk(chunk),
            Held::Pieces(pieces) => pieces.extend_from_slice(&chunk),
        }
    }

    /// Returns the buffer that new bytes may be read into, behind those that are held.
    pub fn buffer(&mut self) -> &mut BytesMut {
        if let Held::Chunk(held) = &mut self.0 {
            self.0 = Held::Pieces(BytesMut::from(std::mem::take(held)));
        }
        match &mut self.0 {
            Held::Pieces(pieces) => pieces,
            Held::Chunk(_) => unreachable!("a chunk has just become pieces"),
        }
    }

    /// Returns what is held.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Held::Chunk(held) => held,
            Held::Pieces(pieces) => pieces,
        }
    }

    /// Returns whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// Returns everything that is held and not yet taken.
    #[must_use]
    pub fn into_rest(self) -> Bytes {
        match self.0 {
            Held::Chunk(held) => held,
            Held::Pieces(pieces) => pieces.freeze(),
        }
    }

    /// Removes the first `count` bytes, of which there must be as many.
    pub(crate) fn split_to(&mut self, count: usize) -> Bytes {
        match &mut self.0 {
            Held::Chunk(held) => held.split_to(count),
            Held::Pieces(pieces) => pieces.split_to(count).freeze(),
        }
    }
}

impl Default for Intake {
    fn default() -> Self {
        Self::new()
    }
}

impl From<Bytes> for Intake {
    fn from(bytes: Bytes) -> Self {
        Self(Held::Chunk(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_chunk_is_not_copied() {
        let chunk = Bytes::from_static(b"abcdef");
        let mut intake = Intake::new();
        intake.push(chunk.clone());
        assert_eq!(intake.split_to(3).as_ptr(), chunk.as_ptr());
        intake.push(Bytes::from_static(b"gh"));
        assert_eq!(intake.split_to(1), "d");
        assert_eq!(intake.into_rest(), "efgh");
    }
}
