//! The corpora of the fuzz targets, and variations of them that are the same each time.

/// A fixed sequence of numbers.
#[derive(Clone, Debug)]
pub struct Dice(u64);

/// Checks the corpus of a target, and so many variations of it.
///
/// # Panics
///
/// Panics when there is no corpus, and when `check` does.
pub fn replay(
    target: &str,
    variations: u32,
    vary: impl Fn(&[Vec<u8>], &mut Dice) -> Vec<u8>,
    check: impl Fn(&[u8]),
) {
    let corpus = corpus(target);
    assert!(!corpus.is_empty(), "the corpus of {target} is empty");
    corpus.iter().for_each(|data| check(data));
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for _ in 0..variations {
        check(&vary(&corpus, &mut dice));
    }
}

/// Joins two members of a corpus and changes a few bytes.
#[must_use]
pub fn spliced(corpus: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
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

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = crate::workspace().join("fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&folder).expect("the corpus can be listed");
    let paths = entries.map(|entry| entry.expect("the corpus can be listed").path());
    let mut paths: Vec<_> = paths.collect();
    paths.sort();
    let read = |path| std::fs::read(path).expect("the corpus can be read");
    paths.iter().map(read).collect()
}

impl Dice {
    /// Returns the next number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or_default() % limit
    }

    /// Returns the next byte.
    pub fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap_or_default()
    }
}
