//! Sans-IO. The Huffman code of HPACK (RFC 7541, Appendix B).
//!
//! It is canonical: the lengths of the codes say everything.

use bytes::Bytes;

/// Decodes a text, unless it is no such code or not padded as it must be.
pub(super) fn decode(coded: &[u8]) -> Option<Bytes> {
    // The shortest codes have five bits.
    let mut decoded = Vec::with_capacity(coded.len() * 8 / 5);
    let (mut code, mut length) = (0_u32, 0);
    for byte in coded {
        for bit in (0..8).rev() {
            code = code << 1 | u32::from(byte >> bit & 1);
            length += 1;
            if length > LONGEST {
                return None;
            }
            if let Some(symbol) = symbol(code, length) {
                decoded.push(symbol?);
                (code, length) = (0, 0);
            }
        }
    }
    // What is left over is the beginning of the code that ends everything: ones, fewer than eight.
    let is_padding = length < 8 && code + 1 == 1 << length;
    is_padding.then(|| decoded.into())
}

/// Returns the symbol of a code, if it is one; the symbol of the end is none.
fn symbol(code: u32, length: usize) -> Option<Option<u8>> {
    let offset = code.checked_sub(CANON.first[length])?;
    if offset >= CANON.count[length] {
        return None;
    }
    let symbol = CANON.symbols[(CANON.index[length] + offset) as usize];
    Some(u8::try_from(symbol).ok())
}

/// The code, by length.
struct Canon {
    /// The first code of each length.
    first: [u32; LONGEST + 1],
    /// How many there are.
    count: [u32; LONGEST + 1],
    /// Where their symbols begin.
    index: [u32; LONGEST + 1],
    /// Symbols by length, then by value. The last is the end.
    symbols: [u16; SYMBOLS],
}

const LONGEST: usize = 30;
const SYMBOLS: usize = 257;
const CANON: Canon = canon();

const fn canon() -> Canon {
    let mut canon = Canon {
        first: [0; LONGEST + 1],
        count: [0; LONGEST + 1],
        index: [0; LONGEST + 1],
        symbols: [0; SYMBOLS],
    };
    let (mut length, mut code, mut filled) = (1, 0, 0);
    while length <= LONGEST {
        code <<= 1;
        canon.first[length] = code;
        canon.index[length] = filled;
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if LENGTHS[symbol] as usize == length {
                canon.symbols[filled as usize] = symbol as u16;
                filled += 1;
                code += 1;
            }
            symbol += 1;
        }
        canon.count[length] = code - canon.first[length];
        length += 1;
    }
    canon
}

/// The length of each symbol's code; the last is that of the end.
const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6,
    6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7,
    8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7,
    15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24,
    23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23,
    23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26,
    26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20,
    21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27,
    27, 27, 26, 30,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_symbol_has_a_code_and_the_code_is_full() {
        let kraft: u64 = LENGTHS
            .iter()
            .map(|length| 1_u64 << (LONGEST - usize::from(*length)))
            .sum();
        assert_eq!(kraft, 1 << LONGEST);
    }

    #[test]
    fn padding_is_ones_and_short() {
        // "a" is 00011.
        assert_eq!(decode(&[0b0001_1111]), Some(Bytes::from_static(b"a")));
        assert_eq!(decode(&[0b0001_1110]), None);
        assert_eq!(decode(&[0b0001_1111, 0xff]), None);
        assert_eq!(decode(&[0xff; 4]), None);
        assert_eq!(decode(&[]), Some(Bytes::new()));
    }
}
