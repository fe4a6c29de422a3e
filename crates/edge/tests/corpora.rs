//! Replays the corpus of the fuzz target, and some thousand variations of it.

#[path = "corpora/properties.rs"]
mod properties;

use std::path::Path;

/// Variations of the corpus that are played.
const VARIATIONS: u32 = 20_000;

#[test]
fn supervisor() {
    let corpus = corpus("supervisor");
    assert!(!corpus.is_empty(), "the corpus is empty");
    corpus.iter().for_each(|data| properties::supervisor(data));
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for _ in 0..VARIATIONS {
        properties::supervisor(&vary(&corpus, &mut dice));
    }
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target);
    let entries = std::fs::read_dir(&folder).expect("the corpus can be listed");
    let paths = entries.map(|entry| entry.expect("the corpus can be listed").path());
    let mut paths: Vec<_> = paths.collect();
    paths.sort();
    let read = |path| std::fs::read(path).expect("the corpus can be read");
    paths.iter().map(read).collect()
}

/// Plays a member of the corpus under other terms, and goes on with whatever comes.
fn vary(corpus: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut data = corpus[dice.below(corpus.len())].clone();
    data[0] = dice.byte();
    let kept = 1 + dice.below(data.len()) / 4 * 4;
    data.truncate(kept);
    for _ in 0..dice.below(60) {
        // Short pauses are as likely as long ones.
        let late = dice.byte() >> dice.below(8);
        data.extend([dice.byte(), dice.byte() >> dice.below(8), dice.byte(), late]);
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

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap_or_default()
    }
}
