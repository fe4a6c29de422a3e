//! Any bytes, read as a duration.
#![no_main]

#[path = "../../crates/dialect/tests/corpora/properties.rs"]
#[expect(dead_code, reason = "the other properties belong to other targets")]
mod properties;

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::duration(data));
