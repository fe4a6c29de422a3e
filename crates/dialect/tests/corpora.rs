//! Replays the corpora of the fuzz targets, and some thousand variations of them.

#[path = "corpora/properties.rs"]
mod properties;

use adit_vectors::corpus;

#[test]
fn url() {
    replay("url", properties::url);
}

#[test]
fn regex() {
    replay("regex", properties::regex);
}

#[test]
fn json() {
    replay("json", properties::json);
}

#[test]
fn duration() {
    replay("duration", properties::duration);
}

fn replay(target: &str, check: fn(&[u8])) {
    corpus::replay(target, 4_000, corpus::spliced, check);
}
