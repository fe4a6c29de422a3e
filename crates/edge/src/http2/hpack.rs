//! Sans-IO. Reads header blocks of HTTP/2 (RFC 7541), with whatever bytes their fields hold, and
//! writes blocks that refer to nothing.

mod huffman;

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};

/// A field of a header block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: Bytes,
    pub(super) value: Bytes,
}

/// What earlier blocks of a connection have left behind.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    table: VecDeque<Field>,
    size: usize,
    limit: Limit,
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

/// The fields of a block, or as many of them as may be kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) fields: Vec<Field>,
    /// Whether there were more.
    pub(super) cut: bool,
}

impl Decoder {
    /// Reads a block. Of fields beyond `most` bytes, counted as RFC 9113 §6.5.2 does, nothing is kept
    /// but what later blocks may refer to.
    pub(super) fn decode(&mut self, block: &Bytes, most: usize) -> Result<Fields, HpackError> {
        let mut rest = &block[..];
        let mut read = Fields::default();
        let mut weight = 0;
        while let Some(first) = rest.first().copied() {
            let Some(field) = self.representation(first, &mut rest, block)? else {
                continue;
            };
            weight += field.weight();
            if weight > most {
                read.cut = true;
            } else {
                read.fields.push(field);
            }
        }
        Ok(read)
    }

    /// Takes one representation (§6).
    fn representation(
        &mut self,
        first: u8,
        rest: &mut &[u8],
        block: &Bytes,
    ) -> Result<Option<Field>, HpackError> {
        if first & 0x80 != 0 {
            let index = number(rest, 7)?;
            return self.entry(index).map(Some);
        }
        if first & 0xe0 == 0x20 {
            self.resize(number(rest, 5)?)?;
            return Ok(None);
        }
        let is_kept = first & 0xc0 == 0x40;
        let index = number(rest, if is_kept { 6 } else { 4 })?;
        let name = match index {
            0 => text(rest, block)?,
            index => self.entry(index)?.name,
        };
        let value = text(rest, block)?;
        let field = Field { name, value };
        if is_kept {
            self.keep(&field);
        }
        Ok(Some(field))
    }

    fn entry(&self, index: usize) -> Result<Field, HpackError> {
        let Some(own) = index.checked_sub(STATIC.len() + 1) else {
            let index = index.checked_sub(1).ok_or(HpackError::Index)?;
            let (name, value) = STATIC[index];
            return Ok(Field {
                name: Bytes::from_static(name.as_bytes()),
                value: Bytes::from_static(value.as_bytes()),
            });
        };
        self.table.get(own).cloned().ok_or(HpackError::Index)
    }

    /// Keeps a field for later blocks; copied, so that it does not hold its whole block.
    fn keep(&mut self, field: &Field) {
        let weight = field.weight();
        self.evict(self.limit.0.saturating_sub(weight));
        if weight <= self.limit.0 {
            self.size += weight;
            self.table.push_front(Field {
                name: Bytes::copy_from_slice(&field.name),
                value: Bytes::copy_from_slice(&field.value),
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
            self.size -= oldest.weight();
        }
    }
}

impl Field {
    /// What a field counts for (§4.1).
    fn weight(&self) -> usize {
        self.name.len() + self.value.len() + 32
    }
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

/// Takes a text (§5.2).
fn text(rest: &mut &[u8], block: &Bytes) -> Result<Bytes, HpackError> {
    let is_coded = rest.first().ok_or(HpackError::Truncated)? & 0x80 != 0;
    let length = number(rest, 7)?;
    let Some((text, behind)) = rest.split_at_checked(length) else {
        return Err(HpackError::Truncated);
    };
    *rest = behind;
    if is_coded {
        return huffman::decode(text).ok_or(HpackError::Huffman);
    }
    Ok(block.slice_ref(text))
}

fn take(rest: &mut &[u8]) -> Result<u8, HpackError> {
    let (first, behind) = rest.split_first().ok_or(HpackError::Truncated)?;
    *rest = behind;
    Ok(*first)
}

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

    fn hex(digits: &str) -> Bytes {
        let digits: Vec<u8> = digits.bytes().filter(|digit| *digit != b' ').collect();
        let pairs = digits
            .chunks(2)
            .map(|pair| std::str::from_utf8(pair).expect("it is text"));
        pairs
            .map(|pair| u8::from_str_radix(pair, 16).expect("hex"))
            .collect()
    }

    fn shown(read: &Fields) -> Vec<(String, String)> {
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        read.fields
            .iter()
            .map(|field| (text(&field.name), text(&field.value)))
            .collect()
    }

    fn check(decoder: &mut Decoder, block: &str, expected: &[(&str, &str)]) {
        let read = decoder.decode(&hex(block), usize::MAX).expect("it is a block");
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        assert_eq!(shown(&read), expected, "{block}");
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
        assert_eq!(decoder.decode(&hex("c0"), 99), Err(HpackError::Index));
        // Too large for the table: it empties it.
        let large = [&[0x40, 1, b'd', 40][..], &[b'x'; 40]].concat();
        decoder.decode(&large.into(), 99).expect("it is a block");
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
            let read = Decoder::default().decode(&hex(block), 99);
            assert_eq!(read, Err(error), "{block}");
        }
    }

    #[test]
    fn what_is_too_much_is_cut_and_still_remembered() {
        let mut decoder = Decoder::default();
        let block = hex("4001 6101 31 4001 6201 32");
        let read = decoder.decode(&block, 40).expect("it is a block");
        assert_eq!((read.fields.len(), read.cut), (1, true));
        check(&mut decoder, "be", &[("b", "2")]);
    }

    #[test]
    fn what_is_written_is_read() {
        for length in [0, 1, 126, 127, 128, 254, 255, 20_000, 3_000_000] {
            let value = vec![0xff; length];
            let mut block = BytesMut::new();
            put(&mut block, b"name", &value);
            let read = Decoder::default().decode(&block.freeze(), usize::MAX);
            let field = &read.expect("it is a block").fields[0];
            assert!(field.name == "name" && field.value == value, "{length}");
        }
    }
}
