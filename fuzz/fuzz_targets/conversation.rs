//! Any bytes, said to both sides of a conversation of calls.
#![no_main]

#[path = "../../crates/rpc/tests/hostile/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::conversation(data));
