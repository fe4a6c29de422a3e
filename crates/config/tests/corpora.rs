//! Replays the corpora of the fuzz targets, and some thousand variations of them.

#[path = "corpora/properties.rs"]
mod properties;

use adit_vectors::corpus;

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

fn replay(target: &str, check: fn(&[u8])) {
    corpus::replay(target, 4_000, corpus::spliced, check);
}
