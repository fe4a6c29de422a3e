//! What was recorded, cut and flipped, and what the fuzzer has found.

use std::path::Path;

use super::targets;

/// Mutations of each recorded conversation.
const MUTATIONS: usize = 60;

#[test]
fn no_conversation_panics_or_hangs() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/rpc");
    let mut random = fastrand::Rng::with_seed(11);
    for entry in std::fs::read_dir(folder).expect("a folder of the corpus") {
        let said = std::fs::read(entry.expect("an entry").path()).expect("a file");
        targets::conversation(&said);
        for _ in 0..MUTATIONS {
            targets::conversation(&mutation(&said, &mut random));
        }
    }
}

fn mutation(said: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = said.to_vec();
    if random.u8(..4) == 0 {
        bytes.truncate(random.usize(..=bytes.len()));
    }
    for _ in 0..random.usize(1..4) {
        if let Some(at) = bytes.len().checked_sub(1) {
            bytes[random.usize(..=at)] ^= 1 << random.u8(..8);
        }
    }
    bytes
}
