//! Any schedule of events, told to the supervisor.
#![no_main]

#[path = "../../crates/edge/tests/corpora/properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::supervisor(data));
