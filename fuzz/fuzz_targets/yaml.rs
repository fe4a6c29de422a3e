//! Any bytes, read as a configuration file.
#![no_main]

#[path = "../../crates/config/tests/corpora/properties.rs"]
#[expect(dead_code, reason = "the other properties belong to other targets")]
mod properties;

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::yaml(data));
