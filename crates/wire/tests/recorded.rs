//! What upstream was recorded to send and to understand, in both directions.

mod recorded {
    //! One file for each kind of recording.
    pub(crate) mod blob;
    pub(crate) mod connect;
    pub(crate) mod dispatch;
    pub(crate) mod h2;
    pub(crate) mod private;
}

use serde_json::Value;

/// Returns the bytes that a text of hexadecimal digits stands for.
fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().expect("a text of hexadecimal digits");
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("two hexadecimal digits");
    (0..text.len()).step_by(2).map(digit).collect()
}

/// Returns bytes as readers of a failed test like them.
fn shown(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn pairs(value: &Value) -> Vec<(String, String)> {
    serde_json::from_value(value.clone()).expect("a list of pairs")
}
