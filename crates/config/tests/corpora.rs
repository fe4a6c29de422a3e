//! Replays the corpora of the fuzz targets, and some thousand variations of them.

#[path = "corpora/properties.rs"]
mod properties;

use std::path::Path;

#[test]
fn yaml() {
    replay("yaml", properties::yaml);
}

#[test]
fn push() {
    replay("push", properties::push);
}

#[test]
fn token() {
    replay("token", properties::token);
}

/// Variations of the corpus that are tried.
const VARIATIONS: u64 = 4_000;

fn replay(target: &str, check: fn(&[u8])) {
    let corpus = corpus(target);
    assert!(!corpus.is_empty(), "the corpus of {target} is empty");
    corpus.iter().for_each(|data| check(data));
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for _ in 0..VARIATIONS {
        check(&vary(&corpus, &mut dice));
    }
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target);
    let entries = std::fs::read_dir(&folder).expect("the corpus can be listed");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("the corpus can be listed").path())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read(path).expect("the corpus can be read"))
        .collect()
}

/// Joins two members of the corpus and changes a few bytes.
fn vary(corpus: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let (first, second) = (
        &corpus[dice.below(corpus.len())],
        &corpus[dice.below(corpus.len())],
    );
    let mut data = first[..dice.below(first.len() + 1)].to_vec();
    data.extend_from_slice(&second[dice.below(second.len() + 1)..]);
    for _ in 0..dice.below(4) {
        let at = dice.below(data.len() + 1);
        let byte = first.get(dice.below(first.len() + 1)).copied().unwrap_or(0xc3);
        data.insert(at, byte);
        if at > 0 && dice.below(2) == 0 {
            data.remove(at - 1);
        }
    }
    data
}

/// A fixed sequence of numbers.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or_default() % limit
    }
}
