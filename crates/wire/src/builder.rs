//! Sans-IO. Writes one message of one segment, each object right behind those before it.

use bytes::{BufMut, BytesMut};

use crate::EncodeError;
use crate::frame::{MAX_MESSAGE, WORD};

/// What a call carries: parameters or results.
pub trait Content: Send {
    /// Writes itself into its place in the message.
    fn write(&self, slot: Slot<'_, '_>);
}

/// The place of a pointer in a message that is being written.
#[derive(Debug)]
pub struct Slot<'a, 'b> {
    builder: &'a mut Builder<'b>,
    /// Offset of the pointer in the segment, in words.
    at: usize,
}

/// A message that is being written at the end of a buffer.
#[derive(Debug)]
pub(crate) struct Builder<'b> {
    out: &'b mut BytesMut,
    /// Where the message begins in the buffer.
    start: usize,
}

/// A struct that is being written.
#[derive(Debug)]
pub(crate) struct Object<'a, 'b> {
    builder: &'a mut Builder<'b>,
    /// Offset of the data section in the segment, in words.
    data: usize,
    /// Offset of the pointer section in the segment, in words.
    pointers: usize,
}

/// The sizes of a struct: data words and pointers.
pub(crate) type Size = (u16, u16);

impl<'b> Builder<'b> {
    /// Begins a message.
    pub(crate) fn new(out: &'b mut BytesMut) -> Self {
        let start = out.len();
        out.put_bytes(0, TABLE + WORD);
        Self { out, start }
    }

    /// Returns the struct that the message is.
    pub(crate) fn root(&mut self, size: Size) -> Object<'_, 'b> {
        Slot { builder: self, at: 0 }.object(size)
    }

    /// Makes the only segment of another message the pointer section of a root that has none.
    ///
    /// Its root pointer becomes the pointer, and near pointers stay right because all moves.
    pub(crate) fn adopt(&mut self, segment: &[u8]) {
        self.out.put_slice(segment);
        self.store(0, 4, &ROOT_OF_ONE_AND_ONE.to_le_bytes());
    }

    /// Ends the message.
    ///
    /// # Errors
    ///
    /// Fails when no peer would read it, leaving the buffer as it was.
    pub(crate) fn finish(self) -> Result<(), EncodeError> {
        let length = self.out.len() - self.start;
        if length > MAX_MESSAGE {
            self.out.truncate(self.start);
            return Err(EncodeError::TooLarge(length));
        }
        let words = ((length - TABLE) / WORD) as u32;
        self.out[self.start + 4..self.start + TABLE].copy_from_slice(&words.to_le_bytes());
        Ok(())
    }

    /// Appends zeroed words and returns where they begin.
    fn allocate(&mut self, words: usize) -> usize {
        let at = self.length();
        self.out.put_bytes(0, words * WORD);
        at
    }

    /// Returns the length of the segment so far, in words.
    fn length(&self) -> usize {
        (self.out.len() - self.start - TABLE) / WORD
    }

    /// Makes the pointer at `at` lead to the object at `target`.
    fn point(&mut self, at: usize, target: usize, kind: u32, sizes: u32) {
        let offset = (target - at - 1) as u32;
        self.store(at, 0, &(offset << 2 | kind).to_le_bytes());
        self.store(at, 4, &sizes.to_le_bytes());
    }

    fn store(&mut self, word: usize, byte: usize, bytes: &[u8]) {
        let at = self.start + TABLE + word * WORD + byte;
        self.out[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

impl<'a, 'b> Slot<'a, 'b> {
    pub(crate) fn object(self, (data, pointers): Size) -> Object<'a, 'b> {
        let at = self.builder.allocate(usize::from(data) + usize::from(pointers));
        let sizes = u32::from(data) | u32::from(pointers) << 16;
        if sizes == 0 {
            // An empty struct points at itself, so that it differs from no struct.
            self.builder.store(self.at, 0, &(-4_i32).to_le_bytes());
        } else {
            self.builder.point(self.at, at, 0, sizes);
        }
        Object {
            builder: self.builder,
            data: at,
            pointers: at + usize::from(data),
        }
    }

    /// Writes a capability: an index of the table that goes with the message.
    pub(crate) fn capability(self, index: u32) {
        self.builder.store(self.at, 0, &3_u32.to_le_bytes());
        self.builder.store(self.at, 4, &index.to_le_bytes());
    }

    fn bytes(self, parts: &[&[u8]], terminator: usize) {
        let length = parts.iter().map(|part| part.len()).sum::<usize>() + terminator;
        let at = self.builder.length();
        self.builder.point(self.at, at, 1, BYTES | (length as u32) << 3);
        for part in parts {
            self.builder.out.put_slice(part);
        }
        let padding = length.next_multiple_of(WORD) - length;
        self.builder.out.put_bytes(0, terminator + padding);
    }
}

impl<'b> Object<'_, 'b> {
    pub(crate) fn number(&mut self, at: usize, bytes: &[u8]) {
        self.builder.store(self.data, at, bytes);
    }

    pub(crate) fn bit(&mut self, at: usize, value: bool) {
        // No struct here shares a byte between two flags.
        self.number(at / 8, &[u8::from(value) << (at % 8)]);
    }

    /// Returns the place of a pointer.
    pub(crate) fn slot(&mut self, index: usize) -> Slot<'_, 'b> {
        Slot {
            at: self.pointers + index,
            builder: self.builder,
        }
    }

    pub(crate) fn object(&mut self, index: usize, size: Size) -> Object<'_, 'b> {
        self.slot(index).object(size)
    }

    /// Writes a text; an empty one stays absent.
    pub(crate) fn text(&mut self, index: usize, text: impl AsRef<[u8]>) {
        self.joined(index, &[text.as_ref()]);
    }

    /// Writes a text made of parts.
    pub(crate) fn joined(&mut self, index: usize, parts: &[&[u8]]) {
        if parts.iter().any(|part| !part.is_empty()) {
            self.slot(index).bytes(parts, 1);
        }
    }

    pub(crate) fn data(&mut self, index: usize, bytes: &[u8]) {
        self.slot(index).bytes(&[bytes], 0);
    }

    /// Writes bytes; none at all stay absent.
    pub(crate) fn data_if_any(&mut self, index: usize, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.data(index, bytes);
        }
    }

    /// Writes a list of structs, all zero, and calls `fill` with each.
    pub(crate) fn structs(
        &mut self,
        index: usize,
        size: Size,
        count: usize,
        mut fill: impl FnMut(usize, Object<'_, 'b>),
    ) {
        let step = usize::from(size.0) + usize::from(size.1);
        let at = self.pointers + index;
        let tag = self.builder.allocate(1 + step * count);
        self.builder
            .point(at, tag, 1, COMPOSITE | ((step * count) as u32) << 3);
        let sizes = u32::from(size.0) | u32::from(size.1) << 16;
        self.builder.store(tag, 0, &((count as u32) << 2).to_le_bytes());
        self.builder.store(tag, 4, &sizes.to_le_bytes());
        for element in 0..count {
            let data = tag + 1 + element * step;
            let pointers = data + usize::from(size.0);
            fill(
                element,
                Object {
                    builder: self.builder,
                    data,
                    pointers,
                },
            );
        }
    }

    /// Writes a list of texts; an empty one stays absent.
    pub(crate) fn texts(&mut self, index: usize, texts: &[impl AsRef<[u8]>]) {
        if texts.is_empty() {
            return;
        }
        let at = self.builder.allocate(texts.len());
        let pointer = self.pointers + index;
        self.builder
            .point(pointer, at, 1, POINTERS | (texts.len() as u32) << 3);
        let mut list = Object {
            builder: self.builder,
            data: at,
            pointers: at,
        };
        for (element, text) in texts.iter().enumerate() {
            list.text(element, text);
        }
    }
}

/// Bytes of the segment table in front of one segment.
const TABLE: usize = 8;

/// The sizes of a struct with one data word and one pointer, as a pointer holds them.
const ROOT_OF_ONE_AND_ONE: u32 = 1 | 1 << 16;

const BYTES: u32 = 2;
const POINTERS: u32 = 6;
const COMPOSITE: u32 = 7;
