//! Any bytes, read as the head of a data stream.
#![no_main]

#[path = "../../crates/wire/tests/hostile/targets.rs"]
#[expect(dead_code, reason = "the other properties belong to other targets")]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::connect(data));
