//! Any bytes, read as JSON.
#![no_main]

#[path = "../../crates/dialect/tests/corpora/properties.rs"]
#[expect(dead_code, reason = "the other properties belong to other targets")]
mod properties;

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::json(data));
