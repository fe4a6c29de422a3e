//! Sans-IO. The Huffman code of HPACK (RFC 7541, Appendix B).
//!
//! It is canonical: the lengths of the codes say everything.

/// Decodes a text and puts it behind others, unless it is no such code or not padded as it must be.
pub(super) fn decode(coded: &[u8], texts: &mut Vec<u8>) -> Option<()> {
    // The shortest codes have five bits.
    texts.reserve(coded.len() * 8 / 5);
    let mut coded = coded.iter();
    // The bits that were taken and not yet understood, in front, and how many they are.
    let (mut bits, mut held) = (0_u64, 0);
    loop {
        while held <= 56
            && let Some(byte) = coded.next()
        {
            bits |= u64::from(*byte) << (56 - held);
            held += 8;
        }
        let (symbol, length) = first(bits);
        if length > held {
            break;
        }
        texts.push(symbol?);
        bits <<= length;
        held -= length;
    }
    // What is left over is the beginning of the code that ends everything: ones, fewer than eight.
    let is_padding = held < 8 && bits == !(u64::MAX >> held);
    is_padding.then_some(())
}

/// Returns the symbol whose code stands in front, and the length of the code; the symbol of the end
/// is none.
const fn first(bits: u64) -> (Option<u8>, u32) {
    let (symbol, length) = SHORT[(bits >> 56) as usize];
    if length > 0 {
        return (Some(symbol), length as u32);
    }
    let mut length = SHORTEST_LONG;
    loop {
        let offset = ((bits >> (64 - length)) as u32).wrapping_sub(CANON.first[length]);
        if offset < CANON.count[length] || length == LONGEST {
            let symbol = CANON.symbols[(CANON.index[length] + offset) as usize];
            let is_end = symbol as usize == SYMBOLS - 1;
            return (if is_end { None } else { Some(symbol as u8) }, length as u32);
        }
        length += 1;
    }
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
/// The shortest code that does not fit into a byte.
const SHORTEST_LONG: usize = 10;
const SYMBOLS: usize = 257;
static CANON: Canon = canon();
/// The symbol of the code that a byte begins with, and its length; none if the code is longer.
static SHORT: [(u8, u8); 256] = short();

const fn short() -> [(u8, u8); 256] {
    let canon = canon();
    let mut short = [(0, 0); 256];
    let mut byte = 0;
    while byte < 256 {
        let mut length = 5;
        while length <= 8 {
            let code = (byte >> (8 - length)) as u32;
            let offset = code.wrapping_sub(canon.first[length]);
            if offset < canon.count[length] {
                let symbol = canon.symbols[(canon.index[length] + offset) as usize];
                short[byte] = (symbol as u8, length as u8);
                break;
            }
            length += 1;
        }
        byte += 1;
    }
    short
}

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

    fn decoded(coded: &[u8]) -> Option<Vec<u8>> {
        let mut texts = b"before ".to_vec();
        decode(coded, &mut texts).map(|()| texts.split_off(7))
    }

    /// Writes codes, and ones behind them.
    fn coded(symbols: &[usize]) -> Vec<u8> {
        let bit = |code: u32, place: usize| code >> place & 1;
        let codes = symbols.iter().flat_map(|&symbol| {
            let length = usize::from(LENGTHS[symbol]);
            let place = CANON.symbols[CANON.index[length] as usize..]
                .iter()
                .position(|other| usize::from(*other) == symbol)
                .expect("every symbol has a place");
            let code = CANON.first[length] + place as u32;
            (0..length).rev().map(move |place| bit(code, place))
        });
        let bits: Vec<u32> = codes.collect();
        bits.chunks(8)
            .map(|byte| (0..8).fold(0, |sum, at| sum << 1 | *byte.get(at).unwrap_or(&1) as u8))
            .collect()
    }

    #[test]
    fn every_text_is_read_back() {
        let mut chance = fastrand::Rng::with_seed(3);
        for symbol in 0..=255 {
            assert_eq!(decoded(&coded(&[symbol.into()])), Some(vec![symbol]));
        }
        for _ in 0..2000 {
            let text: Vec<u8> = (0..chance.usize(..60)).map(|_| chance.u8(..)).collect();
            let symbols: Vec<usize> = text.iter().map(|symbol| usize::from(*symbol)).collect();
            assert_eq!(decoded(&coded(&symbols)), Some(text));
        }
    }

    #[test]
    fn the_end_is_no_symbol() {
        assert_eq!(decoded(&coded(&[usize::from(b'a'), SYMBOLS - 1])), None);
        assert_eq!(decoded(&coded(&[SYMBOLS - 1, usize::from(b'a')])), None);
    }

    #[test]
    fn whatever_comes_is_read_or_refused() {
        let mut chance = fastrand::Rng::with_seed(4);
        for _ in 0..20_000 {
            let bytes: Vec<u8> = (0..chance.usize(..40))
                .map(|_| if chance.bool() { 0xff } else { chance.u8(..) })
                .collect();
            if let Some(text) = decoded(&bytes) {
                let symbols: Vec<usize> = text.iter().map(|symbol| usize::from(*symbol)).collect();
                assert_eq!(coded(&symbols), bytes);
            }
        }
    }

    #[test]
    fn padding_is_ones_and_short() {
        // "a" is 00011.
        assert_eq!(decoded(&[0b0001_1111]), Some(b"a".to_vec()));
        assert_eq!(decoded(&[0b0001_1110]), None);
        assert_eq!(decoded(&[0b0001_1111, 0xff]), None);
        assert_eq!(decoded(&[0xff; 4]), None);
        assert_eq!(decoded(&[]), Some(Vec::new()));
    }
}
