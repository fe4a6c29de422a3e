//! Sans-IO. Reads the objects of a message, trusting no pointer in it.
//!
//! Whatever is absent, shorter than expected or of another kind reads as its default, as the
//! format asks for; only a pointer that leads nowhere is an error.

use std::cell::Cell;

use bytes::Bytes;

use crate::DecodeError;
use crate::frame::{Message, WORD};

/// One pass over a message.
#[derive(Debug)]
pub(crate) struct Reader<'m> {
    message: &'m Message,
    /// Words that may still be visited. A tree that shares nothing visits each word once, so a
    /// small multiple of the message's own size refuses only messages made to be expensive.
    budget: Cell<usize>,
}

/// Visits per word of a message.
const VISITS: usize = 4;

/// Visits that every message may make: lists of empty elements weigh nothing.
const FREE_VISITS: usize = 64;

/// A place where a pointer is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    segment: u32,
    /// Offset in the segment, in bytes.
    at: usize,
}

/// What a pointer leads to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target<'r> {
    Nothing,
    Struct(Struct<'r>),
    List(List<'r>),
    Capability(u32),
}

/// A struct, or the element of a list seen as one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Struct<'r> {
    reader: &'r Reader<'r>,
    segment: u32,
    /// Offset of the data section in the segment, in bytes.
    data: usize,
    data_length: usize,
    pointers: usize,
}

/// A list whose elements are seen as structs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List<'r> {
    reader: &'r Reader<'r>,
    segment: u32,
    start: usize,
    element: Element,
    count: usize,
}

/// The layout of one element of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Element {
    data: usize,
    pointers: usize,
}

impl<'m> Reader<'m> {
    pub(crate) fn new(message: &'m Message) -> Self {
        Self {
            message,
            budget: Cell::new(FREE_VISITS + message.len() / WORD * VISITS),
        }
    }

    /// Returns the struct that the message is.
    pub(crate) fn root(&self) -> Result<Struct<'_>, DecodeError> {
        match self.message.segment(0) {
            Some(segment) if segment.len() >= WORD => self.structure(Place { segment: 0, at: 0 }),
            _ => Err(DecodeError::NoRoot),
        }
    }

    /// Returns the struct that the pointer at `place` leads to; an empty one if it leads to none.
    pub(crate) fn structure(&self, place: Place) -> Result<Struct<'_>, DecodeError> {
        match self.follow(place)? {
            Target::Struct(found) => Ok(found),
            Target::Nothing | Target::List(_) | Target::Capability(_) => Ok(self.empty()),
        }
    }

    /// Follows the pointer at `place`.
    pub(crate) fn follow(&self, place: Place) -> Result<Target<'_>, DecodeError> {
        let pointer = self.word(place)?;
        if pointer & 3 != FAR {
            return self.object(pointer, place.segment, near(pointer, place.at));
        }
        let pad = Place {
            segment: (pointer >> 32) as u32,
            at: far_offset(pointer),
        };
        let landed = self.word(pad)?;
        if pointer & DOUBLE_FAR == 0 {
            return match landed & 3 {
                FAR => Err(DecodeError::LandingPad),
                _ => self.object(landed, pad.segment, near(landed, pad.at)),
            };
        }
        if landed & 7 != FAR {
            return Err(DecodeError::LandingPad);
        }
        let tag = self.word(Place {
            segment: pad.segment,
            at: pad.at + WORD,
        })?;
        let start = far_offset(landed);
        self.object(tag, (landed >> 32) as u32, i64::try_from(start).ok())
    }

    /// Returns the object that `pointer` describes and that begins at `start`.
    fn object(&self, pointer: u64, segment: u32, start: Option<i64>) -> Result<Target<'_>, DecodeError> {
        if pointer == 0 {
            return Ok(Target::Nothing);
        }
        if pointer & 3 == CAPABILITY {
            return Ok(Target::Capability((pointer >> 32) as u32));
        }
        let start = start.and_then(|start| usize::try_from(start).ok());
        let start = start.ok_or(DecodeError::OutOfBounds)?;
        match pointer & 3 {
            STRUCT => self.found_struct(pointer, segment, start).map(Target::Struct),
            LIST => self.found_list(pointer, segment, start).map(Target::List),
            _ => Err(DecodeError::LandingPad),
        }
    }

    fn found_struct(&self, pointer: u64, segment: u32, start: usize) -> Result<Struct<'_>, DecodeError> {
        let size = Element::of(pointer);
        self.visit(segment, start, size.length(), 1)?;
        Ok(Struct {
            reader: self,
            segment,
            data: start,
            data_length: size.data,
            pointers: size.pointers,
        })
    }

    fn found_list(&self, pointer: u64, segment: u32, start: usize) -> Result<List<'_>, DecodeError> {
        let count = (pointer >> 35) as usize;
        let element = match (pointer >> 32) & 7 {
            COMPOSITE => return self.found_composite(count * WORD, segment, start),
            POINTERS => Element { data: 0, pointers: 1 },
            BITS => Element { data: 0, pointers: 0 },
            size => Element {
                data: [0, 0, 1, 2, 4, 8][size as usize],
                pointers: 0,
            },
        };
        // Bits are counted, not read: no message of the edge has a list of them.
        self.visit(segment, start, element.length() * count, count.div_ceil(WORD))?;
        Ok(List {
            reader: self,
            segment,
            start,
            element,
            count,
        })
    }

    fn found_composite(&self, length: usize, segment: u32, start: usize) -> Result<List<'_>, DecodeError> {
        let tag = self.word(Place { segment, at: start })?;
        let element = Element::of(tag);
        let count = (tag as u32 >> 2) as usize;
        if element.length() * count > length {
            return Err(DecodeError::OutOfBounds);
        }
        self.visit(segment, start + WORD, length, count)?;
        Ok(List {
            reader: self,
            segment,
            start: start + WORD,
            element,
            count,
        })
    }

    /// Checks that an object lies within its segment and charges for it.
    fn visit(&self, segment: u32, start: usize, length: usize, least: usize) -> Result<(), DecodeError> {
        let segment = self.message.segment(segment).ok_or(DecodeError::OutOfBounds)?;
        let end = start.checked_add(length).ok_or(DecodeError::OutOfBounds)?;
        if end > segment.len() {
            return Err(DecodeError::OutOfBounds);
        }
        let cost = length.div_ceil(WORD).max(least);
        let left = self.budget.get().checked_sub(cost);
        self.budget.set(left.ok_or(DecodeError::ReadLimit)?);
        Ok(())
    }

    fn word(&self, place: Place) -> Result<u64, DecodeError> {
        let segment = self.message.segment(place.segment);
        let word = segment.and_then(|segment| segment.get(place.at..)?.first_chunk());
        word.copied()
            .map(u64::from_le_bytes)
            .ok_or(DecodeError::OutOfBounds)
    }

    pub(crate) const fn empty(&self) -> Struct<'_> {
        Struct {
            reader: self,
            segment: 0,
            data: 0,
            data_length: 0,
            pointers: 0,
        }
    }
}

impl<'r> Struct<'r> {
    pub(crate) fn byte(&self, at: usize) -> u8 {
        self.number(at).map_or(0, |[byte]| byte)
    }

    pub(crate) fn bit(&self, at: usize) -> bool {
        self.byte(at / 8) >> (at % 8) & 1 == 1
    }

    pub(crate) fn short(&self, at: usize) -> u16 {
        self.number(at).map_or(0, u16::from_le_bytes)
    }

    pub(crate) fn int(&self, at: usize) -> u32 {
        self.number(at).map_or(0, u32::from_le_bytes)
    }

    pub(crate) fn long(&self, at: usize) -> u64 {
        self.number(at).map_or(0, u64::from_le_bytes)
    }

    /// Returns the bytes of a text; none when it is absent or not terminated.
    pub(crate) fn text(&self, index: usize) -> Result<Bytes, DecodeError> {
        let mut bytes = self.data(index)?.unwrap_or_default();
        match bytes.last() {
            Some(0) => bytes.truncate(bytes.len() - 1),
            _ => bytes.clear(),
        }
        Ok(bytes)
    }

    /// Returns a text for reading by people: what is no UTF-8 in it is replaced.
    pub(crate) fn string(&self, index: usize) -> Result<String, DecodeError> {
        Ok(String::from_utf8_lossy(&self.text(index)?).into_owned())
    }

    /// Returns bytes, or nothing when they are absent.
    pub(crate) fn data(&self, index: usize) -> Result<Option<Bytes>, DecodeError> {
        match self.target(index)? {
            Target::List(list) if list.element == (Element { data: 1, pointers: 0 }) => Ok(list.bytes()),
            Target::List(_) | Target::Nothing | Target::Struct(_) | Target::Capability(_) => Ok(None),
        }
    }

    pub(crate) fn structure(&self, index: usize) -> Result<Self, DecodeError> {
        let place = self.place(index);
        place.map_or_else(|| Ok(self.reader.empty()), |place| self.reader.structure(place))
    }

    /// Returns a list; an empty one when it is absent.
    pub(crate) fn list(&self, index: usize) -> Result<List<'r>, DecodeError> {
        match self.target(index)? {
            Target::List(list) => Ok(list),
            Target::Nothing | Target::Struct(_) | Target::Capability(_) => Ok(List {
                reader: self.reader,
                segment: 0,
                start: 0,
                element: Element { data: 0, pointers: 0 },
                count: 0,
            }),
        }
    }

    pub(crate) fn target(&self, index: usize) -> Result<Target<'r>, DecodeError> {
        let place = self.place(index);
        place.map_or(Ok(Target::Nothing), |place| self.reader.follow(place))
    }

    /// Returns where the pointer is, when the struct is long enough to hold it.
    pub(crate) fn place(&self, index: usize) -> Option<Place> {
        (index < self.pointers).then_some(Place {
            segment: self.segment,
            at: self.data + self.data_length + index * WORD,
        })
    }

    fn number<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        if at + N > self.data_length {
            return None;
        }
        let segment = self.reader.message.segment(self.segment)?;
        segment.get(self.data + at..)?.first_chunk().copied()
    }
}

impl<'r> List<'r> {
    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// Returns the elements in order.
    pub(crate) fn iter(self) -> impl ExactSizeIterator<Item = Struct<'r>> {
        (0..self.count).map(move |index| Struct {
            reader: self.reader,
            segment: self.segment,
            data: self.start + index * self.element.length(),
            data_length: self.element.data,
            pointers: self.element.pointers,
        })
    }

    fn bytes(&self) -> Option<Bytes> {
        let end = self.start + self.count;
        self.reader.message.slice(self.segment, self.start..end)
    }
}

impl Element {
    /// Returns the sizes that a struct pointer or the tag of a composite list holds.
    const fn of(pointer: u64) -> Self {
        Self {
            data: (pointer >> 32) as u16 as usize * WORD,
            pointers: (pointer >> 48) as usize,
        }
    }

    const fn length(self) -> usize {
        self.data + self.pointers * WORD
    }
}

/// Returns where the object of a near pointer begins, in bytes.
fn near(pointer: u64, at: usize) -> Option<i64> {
    let words = i64::from(pointer as i32 >> 2) + 1;
    i64::try_from(at).ok()?.checked_add(words * 8)
}

/// Returns where the landing pad of a far pointer begins, in bytes.
const fn far_offset(pointer: u64) -> usize {
    (pointer as u32 >> 3) as usize * WORD
}

const STRUCT: u64 = 0;
const LIST: u64 = 1;
const FAR: u64 = 2;
const CAPABILITY: u64 = 3;
const DOUBLE_FAR: u64 = 4;

const BITS: u64 = 1;
const POINTERS: u64 = 6;
const COMPOSITE: u64 = 7;
