//! Sans-IO. The fields of a request in one field: what the library need not look into.
//!
//! Each field is the length of its name, the length of its value, both in three bytes of seven bits, its
//! name in canonical spelling, and its value. No byte is one that a value may not hold.

use adit_dialect::header::canonicalize;
use bytes::{BufMut, Bytes, BytesMut};

/// The name of the field that carries the others.
pub(super) const PACKED: &str = "adit-fields";

/// Adds a field. What is longer than a header block may be is left out.
pub(super) fn put(packed: &mut BytesMut, name: &[u8], value: &[u8]) {
    if name.len().max(value.len()) >= 1 << LENGTH_BITS {
        return;
    }
    put_length(packed, name.len());
    put_length(packed, value.len());
    let start = packed.len();
    packed.put_slice(name);
    canonicalize(&mut packed[start..]);
    packed.put_slice(value);
}

/// Takes the first field, sharing its bytes.
pub(super) fn take(packed: &mut Bytes) -> Option<(Bytes, Bytes)> {
    let name = length(packed)?;
    let value = length(packed.get(LENGTH..)?)?;
    if packed.len() < 2 * LENGTH + name + value {
        return None;
    }
    let mut field = packed.split_to(2 * LENGTH + name + value);
    let value = field.split_off(2 * LENGTH + name);
    Some((field.split_off(2 * LENGTH), value))
}

fn put_length(packed: &mut BytesMut, length: usize) {
    for shift in [14, 7, 0] {
        packed.put_u8(MARK | (length >> shift) as u8);
    }
}

fn length(bytes: &[u8]) -> Option<usize> {
    let bits = bytes
        .first_chunk::<LENGTH>()?
        .map(|byte| usize::from(byte & !MARK));
    Some(bits[0] << 14 | bits[1] << 7 | bits[2])
}

const LENGTH: usize = 3;
const LENGTH_BITS: usize = 21;
/// Keeps the bytes of a length out of the way of control characters.
const MARK: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_taken_as_they_were_put() {
        let long = vec![b'x'; 1 << 20];
        let fields: [(&[u8], &[u8], &[u8]); 5] = [
            (b":path", b":path", b"/`<\xff"),
            (b"x-one", b"X-One", b"1"),
            (b"empty", b"Empty", b""),
            (b"x-long", b"X-Long", &long),
            (&[b'y'; 127], &[&b"Y"[..], &[b'y'; 126]].concat(), b"2"),
        ];
        let mut packed = BytesMut::new();
        for (name, _, value) in fields {
            put(&mut packed, name, value);
        }
        assert!(packed.iter().all(|byte| *byte >= b' ' && *byte != 0x7f));
        let mut packed = packed.freeze();
        for (_, spelled, value) in fields {
            let (name, read) = take(&mut packed).expect("there is another");
            assert_eq!((&name[..], &read[..]), (spelled, value));
        }
        assert_eq!(take(&mut packed), None);
    }

    #[test]
    fn what_was_not_put_is_not_taken() {
        for bytes in [&b""[..], b"\x80\x80", b"\x80\x80\x81\x80\x80\x80", b"abcdefg"] {
            assert_eq!(take(&mut Bytes::copy_from_slice(bytes)), None, "{bytes:?}");
        }
    }
}
