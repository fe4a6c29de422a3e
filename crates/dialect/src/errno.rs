//! Sans-IO. What failures of the system are called.

use std::io;

/// Returns what the system calls this error: lower case, without its number.
#[must_use]
pub fn text(error: &io::Error) -> String {
    let text = error.to_string();
    if error.raw_os_error().is_none() {
        return text;
    }
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_errors_read_as_users_know_them() {
        let cases = [
            (2, "no such file or directory"),
            (21, "is a directory"),
            (104, "connection reset by peer"),
            (111, "connection refused"),
        ];
        for (number, expected) in cases {
            assert_eq!(text(&io::Error::from_raw_os_error(number)), expected);
        }
        assert_eq!(text(&io::Error::other("Early end")), "Early end");
    }
}
