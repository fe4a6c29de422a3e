//! Replays the corpus of the fuzz target, and some thousand variations of it.

#[path = "corpora/properties.rs"]
mod properties;

use adit_vectors::corpus::{self, Dice};

#[test]
fn supervisor() {
    corpus::replay("supervisor", 20_000, vary, properties::supervisor);
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
