//! Sans-IO. Reads header blocks of HTTP/2 (RFC 7541), with whatever bytes their fields hold, and
//! writes blocks that refer to nothing.

mod huffman;

use std::collections::VecDeque;
use std::ops::Range;

use bytes::{BufMut, BytesMut};

/// Reads the blocks of one connection, in their order.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// What earlier blocks have left behind.
    table: VecDeque<Entry>,
    size: usize,
    limit: Limit,
    fields: Fields,
}

/// The fields of a block, or as many of them as may be kept: texts that lie one behind the other.
#[derive(Debug, Default)]
pub(super) struct Fields {
    texts: Vec<u8>,
    /// Where the name and the value of each field end.
    ends: Vec<(usize, usize)>,
    /// Whether there were more.
    pub(super) cut: bool,
}

/// A field that later blocks may refer to: its name, and its value behind it.
#[derive(Debug)]
struct Entry {
    text: Box<[u8]>,
    name: usize,
}

/// The size of the table that the sender has chosen, up to the one it was granted.
#[derive(Debug)]
struct Limit(usize);

/// A block that breaks a rule, after which the connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HpackError {
    /// It ends in the middle of something.
    #[error("header block ends too early")]
    Truncated,
    /// It refers to an entry that does not exist.
    #[error("header block refers to nothing")]
    Index,
    /// A number is larger than any that makes sense.
    #[error("number too large")]
    Number,
    /// A text is no Huffman code.
    #[error("broken Huffman code")]
    Huffman,
    /// The table is to become larger than was granted.
    #[error("table too large")]
    TableSize,
}

impl Decoder {
    /// Reads a block. Of fields beyond `most` bytes, counted as RFC 9113 §6.5.2 does, nothing is kept
    /// but what later blocks may refer to.
    pub(super) fn decode(&mut self, block: &[u8], most: usize) -> Result<&Fields, HpackError> {
        self.fields.clear();
        let mut rest = block;
        let mut counted = 0;
        while let Some(first) = rest.first().copied() {
            if first & 0xe0 == 0x20 {
                self.resize(number(&mut rest, 5)?)?;
                continue;
            }
            self.field(first, &mut rest)?;
            counted += self.fields.last_weight();
            if counted > most {
                self.fields.drop_last();
            }
        }
        Ok(&self.fields)
    }

    /// Takes one field (§6).
    fn field(&mut self, first: u8, rest: &mut &[u8]) -> Result<(), HpackError> {
        if first & 0x80 != 0 {
            let (name, value) = entry(&self.table, number(rest, 7)?)?;
            self.fields.texts.extend_from_slice(name);
            self.fields.end_name();
            self.fields.texts.extend_from_slice(value);
            self.fields.end_value();
            return Ok(());
        }
        let is_kept = first & 0xc0 == 0x40;
        match number(rest, if is_kept { 6 } else { 4 })? {
            0 => text(rest, &mut self.fields.texts)?,
            index => {
                let (name, _) = entry(&self.table, index)?;
                self.fields.texts.extend_from_slice(name);
            }
        }
        self.fields.end_name();
        text(rest, &mut self.fields.texts)?;
        self.fields.end_value();
        if is_kept {
            self.keep_last();
        }
        Ok(())
    }

    /// Keeps the last field for later blocks.
    fn keep_last(&mut self) {
        let weight = self.fields.last_weight();
        self.evict(self.limit.0.saturating_sub(weight));
        if weight <= self.limit.0
            && let Some((name, value)) = self.fields.last()
        {
            self.size += weight;
            self.table.push_front(Entry {
                text: [name, value].concat().into(),
                name: name.len(),
            });
        }
    }

    fn resize(&mut self, limit: usize) -> Result<(), HpackError> {
        if limit > TABLE {
            return Err(HpackError::TableSize);
        }
        self.limit = Limit(limit);
        self.evict(limit);
        Ok(())
    }

    fn evict(&mut self, limit: usize) {
        while self.size > limit {
            let Some(oldest) = self.table.pop_back() else {
                return;
            };
            self.size -= weight(oldest.text.len());
        }
    }
}

impl Fields {
    /// Returns the fields in order, each its name and its value.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.spans()
            .map(|(name, value)| (&self.texts[name], &self.texts[value]))
    }

    /// Returns all names and values, one behind the other.
    pub(super) fn texts(&self) -> &[u8] {
        &self.texts
    }

    /// Returns where the name and the value of each field lie.
    pub(super) fn spans(&self) -> impl ExactSizeIterator<Item = (Range<usize>, Range<usize>)> {
        let mut start = 0;
        self.ends.iter().map(move |&(name, value)| {
            let field = (start..name, name..value);
            start = value;
            field
        })
    }

    fn clear(&mut self) {
        self.texts.clear();
        // Blocks are short; one that was not should not be paid for ever.
        self.texts.shrink_to(USUAL);
        self.ends.clear();
        self.ends.shrink_to(USUAL / 32);
        self.cut = false;
    }

    fn end_name(&mut self) {
        self.ends.push((self.texts.len(), 0));
    }

    fn end_value(&mut self) {
        if let Some((_, value)) = self.ends.last_mut() {
            *value = self.texts.len();
        }
    }

    /// Returns where the last field begins.
    fn last_start(&self) -> usize {
        let before = self.ends.len().checked_sub(2);
        before.map_or(0, |before| self.ends[before].1)
    }

    fn last(&self) -> Option<(&[u8], &[u8])> {
        let &(name, value) = self.ends.last()?;
        Some((&self.texts[self.last_start()..name], &self.texts[name..value]))
    }

    fn last_weight(&self) -> usize {
        weight(self.texts.len() - self.last_start())
    }

    fn drop_last(&mut self) {
        self.texts.truncate(self.last_start());
        self.ends.pop();
        self.cut = true;
    }
}

/// What a field counts for whose name and value have so many bytes (§4.1).
const fn weight(length: usize) -> usize {
    length + 32
}

/// Returns the entry of the tables with this index.
fn entry(table: &VecDeque<Entry>, index: usize) -> Result<(&[u8], &[u8]), HpackError> {
    let Some(own) = index.checked_sub(STATIC.len() + 1) else {
        let index = index.checked_sub(1).ok_or(HpackError::Index)?;
        let (name, value) = STATIC[index];
        return Ok((name.as_bytes(), value.as_bytes()));
    };
    let entry = table.get(own).ok_or(HpackError::Index)?;
    Ok(entry.text.split_at(entry.name))
}

impl Default for Limit {
    fn default() -> Self {
        Self(TABLE)
    }
}

/// Writes a field that refers to nothing and leaves nothing behind (§6.2.2).
pub(super) fn put(block: &mut BytesMut, name: &[u8], value: &[u8]) {
    block.put_u8(0);
    for text in [name, value] {
        put_number(block, text.len());
        block.extend_from_slice(text);
    }
}

/// Writes the length of a text that is no Huffman code (§5.1).
fn put_number(block: &mut BytesMut, number: usize) {
    const MOST: usize = 0x7f;
    if number < MOST {
        block.put_u8(number as u8);
        return;
    }
    block.put_u8(MOST as u8);
    let mut rest = number - MOST;
    while rest >= 0x80 {
        block.put_u8((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    block.put_u8(rest as u8);
}

/// Takes a number whose first byte leaves it `bits` bits (§5.1).
fn number(rest: &mut &[u8], bits: u32) -> Result<usize, HpackError> {
    let most = (1_usize << bits) - 1;
    let mut value = usize::from(take(rest)?) & most;
    if value < most {
        return Ok(value);
    }
    for shift in (0..=21).step_by(7) {
        let byte = take(rest)?;
        value += usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(HpackError::Number)
}

/// Takes a text (§5.2) and puts it behind others.
fn text(rest: &mut &[u8], texts: &mut Vec<u8>) -> Result<(), HpackError> {
    let is_coded = rest.first().ok_or(HpackError::Truncated)? & 0x80 != 0;
    let length = number(rest, 7)?;
    let Some((text, behind)) = rest.split_at_checked(length) else {
        return Err(HpackError::Truncated);
    };
    *rest = behind;
    if is_coded {
        return huffman::decode(text, texts).ok_or(HpackError::Huffman);
    }
    texts.extend_from_slice(text);
    Ok(())
}

fn take(rest: &mut &[u8]) -> Result<u8, HpackError> {
    let (first, behind) = rest.split_first().ok_or(HpackError::Truncated)?;
    *rest = behind;
    Ok(*first)
}

/// Bytes of texts for which room is kept.
const USUAL: usize = 16 * 1024;
/// Bytes of the table that a sender is granted by default and by our settings.
const TABLE: usize = 4096;

/// Appendix A.
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(digits: &str) -> Vec<u8> {
        let digits: Vec<u8> = digits.bytes().filter(|digit| *digit != b' ').collect();
        let pairs = digits
            .chunks(2)
            .map(|pair| std::str::from_utf8(pair).expect("it is text"));
        pairs
            .map(|pair| u8::from_str_radix(pair, 16).expect("hex"))
            .collect()
    }

    fn shown(read: &Fields) -> Vec<(String, String)> {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        read.iter()
            .map(|(name, value)| (text(name), text(value)))
            .collect()
    }

    fn check(decoder: &mut Decoder, block: &str, expected: &[(&str, &str)]) {
        let read = decoder.decode(&hex(block), usize::MAX).expect("it is a block");
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        assert_eq!(shown(read), expected, "{block}");
    }

    #[test]
    fn the_examples_of_the_standard_are_read() {
        let common = [
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/"),
            (":authority", "www.example.com"),
        ];
        let with_cache = [common.as_slice(), &[("cache-control", "no-cache")]].concat();
        // C.3: plain, then referring to what came before.
        let mut decoder = Decoder::default();
        check(
            &mut decoder,
            "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            &common,
        );
        check(&mut decoder, "8286 84be 5808 6e6f 2d63 6163 6865", &with_cache);
        // C.4: the same with Huffman codes.
        let mut decoder = Decoder::default();
        check(
            &mut decoder,
            "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
            &common,
        );
        check(&mut decoder, "8286 84be 5886 a8eb 1064 9cbf", &with_cache);
    }

    #[test]
    fn the_table_forgets_the_oldest() {
        let mut decoder = Decoder::default();
        decoder.resize(70).expect("it is smaller than granted");
        check(&mut decoder, "4001 6101 31", &[("a", "1")]);
        check(&mut decoder, "4001 6201 32", &[("b", "2")]);
        check(&mut decoder, "bebf", &[("b", "2"), ("a", "1")]);
        check(&mut decoder, "4001 6301 33", &[("c", "3")]);
        check(&mut decoder, "bebf", &[("c", "3"), ("b", "2")]);
        assert_eq!(decoder.decode(&hex("c0"), 99).err(), Some(HpackError::Index));
        // Too large for the table: it empties it.
        let large = [&[0x40, 1, b'd', 40][..], &[b'x'; 40]].concat();
        decoder.decode(&large, 99).expect("it is a block");
        assert_eq!(decoder.table.len(), 0);
    }

    #[test]
    fn broken_blocks_are_refused() {
        for (block, error) in [
            ("80", HpackError::Index),
            ("ff", HpackError::Truncated),
            ("ffff ffff ffff ff7f", HpackError::Number),
            ("0005 61", HpackError::Truncated),
            ("3fe2 1f", HpackError::TableSize),
            ("0081 0001 61", HpackError::Huffman),
        ] {
            let mut decoder = Decoder::default();
            let read = decoder.decode(&hex(block), 99);
            assert_eq!(read.err(), Some(error), "{block}");
        }
    }

    #[test]
    fn what_is_too_much_is_cut_and_still_remembered() {
        let mut decoder = Decoder::default();
        let block = hex("4001 6101 31 4001 6201 32");
        let read = decoder.decode(&block, 40).expect("it is a block");
        assert_eq!((read.iter().count(), read.cut), (1, true));
        check(&mut decoder, "be", &[("b", "2")]);
    }

    #[test]
    fn what_is_written_is_read() {
        for length in [0, 1, 126, 127, 128, 254, 255, 20_000, 3_000_000] {
            let value = vec![0xff; length];
            let mut block = BytesMut::new();
            put(&mut block, b"name", &value);
            let mut decoder = Decoder::default();
            let read = decoder.decode(&block, usize::MAX).expect("it is a block");
            assert!(read.iter().eq([(&b"name"[..], &value[..])]), "{length}");
        }
    }
}
