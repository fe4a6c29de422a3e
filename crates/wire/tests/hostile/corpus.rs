//! Everything that the fuzzer was given or has found.

use std::path::Path;

use super::targets;

#[test]
fn preamble() {
    replay("preamble", targets::preamble);
}

#[test]
fn connect() {
    replay("connect", targets::connect);
}

#[test]
fn blob() {
    replay("blob", targets::blob);
}

#[test]
fn rpc() {
    replay("rpc", targets::rpc);
}

fn replay(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(name);
    let entries = std::fs::read_dir(&folder).expect("a folder of the corpus");
    let mut count = 0;
    for entry in entries {
        target(&std::fs::read(entry.expect("an entry").path()).expect("a file"));
        count += 1;
    }
    assert!(count > 0, "{} is empty", folder.display());
}
