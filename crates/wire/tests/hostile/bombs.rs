//! Small messages that would be expensive to read without a budget.

use adit_wire::{ConnectRequest, DecodeError, Intake};
use bytes::Bytes;

/// A root with one data word and two pointers, then the given words.
fn read(pointers: [u64; 2], objects: &[u64]) -> Result<Option<ConnectRequest>, DecodeError> {
    let words = 4 + objects.len() as u64;
    let root = [words << 32, 1 << 32 | 2 << 48, 0, pointers[0], pointers[1]];
    let words = root.iter().chain(objects);
    let bytes: Vec<_> = words.flat_map(|word| word.to_le_bytes()).collect();
    ConnectRequest::take(&mut Intake::from(Bytes::from(bytes)))
}

/// Returns a pointer to a list of that many elements, `offset` words after the pointer.
const fn list(offset: u64, kind: u64, count: u64) -> u64 {
    1 | offset << 2 | kind << 32 | count << 35
}

const BYTES: u64 = 2;
const COMPOSITE: u64 = 7;

#[test]
fn a_list_of_countless_empty_elements() {
    let tag = (1 << 29) << 2;
    assert_eq!(
        read([0, list(0, COMPOSITE, 0)], &[tag]),
        Err(DecodeError::ReadLimit)
    );
}

#[test]
fn a_list_longer_than_its_words() {
    let tag = 100 << 2 | 2 << 48;
    assert_eq!(
        read([0, list(0, COMPOSITE, 2)], &[tag, 0, 0]),
        Err(DecodeError::OutOfBounds)
    );
}

#[test]
fn one_text_that_every_element_shares() {
    const PAIRS: u64 = 64;
    const TEXT: u64 = 1024;
    let mut objects = vec![PAIRS << 2 | 2 << 48];
    for index in 0..2 * PAIRS {
        objects.push(list(2 * PAIRS - index - 1, BYTES, TEXT * 8));
    }
    objects.extend(std::iter::repeat_n(0, TEXT as usize));
    let result = read([0, list(0, COMPOSITE, 2 * PAIRS)], &objects);
    assert_eq!(result, Err(DecodeError::ReadLimit));
}

#[test]
fn pointers_that_lead_outside() {
    for pointer in [
        list(1, BYTES, 8),
        list(0, BYTES, 9),
        list((1 << 30) - 100, BYTES, 1),
        0x1_0000_0002,
    ] {
        assert_eq!(
            read([pointer, 0], &[]),
            Err(DecodeError::OutOfBounds),
            "{pointer:#x}"
        );
    }
}

#[test]
fn far_pointers_that_lead_to_themselves() {
    // The second pointer is word 3 of the segment.
    let to_itself = 2 | 3 << 3;
    assert_eq!(read([0, to_itself], &[]), Err(DecodeError::LandingPad));
    let doubly = 2 | 4 | 3 << 3;
    assert_eq!(read([0, doubly], &[0]), Err(DecodeError::LandingPad));
}

#[test]
fn announcements_cost_nothing() {
    let announced = |words: u32| {
        let table = [0_u32.to_le_bytes(), words.to_le_bytes()].concat();
        ConnectRequest::take(&mut Intake::from(Bytes::from(table)))
    };
    let most = 64 * 1024 * 1024 / 8 - 1;
    assert_eq!(announced(most), Ok(None));
    assert_eq!(announced(most + 1), Err(DecodeError::TooLarge));
    assert_eq!(announced(u32::MAX), Err(DecodeError::TooLarge));
}

#[test]
fn too_many_segments() {
    let announced = |count: u32| {
        let table = [(count - 1).to_le_bytes(), [0; 4]].concat();
        ConnectRequest::take(&mut Intake::from(Bytes::from(table)))
    };
    assert_eq!(announced(513), Ok(None));
    assert_eq!(announced(514), Err(DecodeError::TooManySegments));
    let table = [u32::MAX.to_le_bytes(), [0; 4]].concat();
    let most = ConnectRequest::take(&mut Intake::from(Bytes::from(table)));
    assert_eq!(most, Err(DecodeError::TooManySegments));
}
