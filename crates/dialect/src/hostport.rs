//! Sans-IO. `host:port`.

use std::borrow::Cow;

use crate::error::HostPortError;

/// Splits `text` into host, without its brackets, and port, which may be empty or no number.
///
/// # Errors
///
/// Fails when there is no port, when the host holds a colon outside brackets, and when a bracket
/// stands where none belongs.
pub fn split(text: &[u8]) -> Result<(&[u8], &[u8]), HostPortError> {
    pieces(text).map_err(|reason| HostPortError {
        input: text.to_vec(),
        reason,
    })
}

/// Splits `text` as [`split`] does.
///
/// # Errors
///
/// Fails as [`split`] does.
pub fn split_str(text: &str) -> Result<(&str, &str), HostPortError> {
    let (host, port) = split(text.as_bytes())?;
    let port_at = text.len() - port.len();
    let host_at = usize::from(text.starts_with('['));
    Ok((&text[host_at..host_at + host.len()], &text[port_at..]))
}

/// Returns the host of `text`, or all of it when it does not split.
#[must_use]
pub fn host(text: &[u8]) -> &[u8] {
    pieces(text).map_or(text, |(host, _)| host)
}

/// Joins a host and a port, with brackets around a host that holds a colon.
#[must_use]
pub fn join(host: &str, port: impl std::fmt::Display) -> String {
    let host = bracketed(host);
    format!("{host}:{port}")
}

fn bracketed(host: &str) -> Cow<'_, str> {
    if host.contains(':') {
        return Cow::Owned(format!("[{host}]"));
    }
    Cow::Borrowed(host)
}

fn pieces(text: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    const MISSING_PORT: &str = "missing port in address";
    const COLONS: &str = "too many colons in address";

    let colon = text.iter().rposition(|&byte| byte == b':').ok_or(MISSING_PORT)?;
    let (host, after_open, after_close) = if text[0] == b'[' {
        let close = position(text, b']').ok_or("missing ']' in address")?;
        match text.get(close + 1) {
            Some(b':') if close + 1 == colon => (&text[1..close], &text[1..], &text[close + 1..]),
            Some(b':') => return Err(COLONS),
            _ => return Err(MISSING_PORT),
        }
    } else {
        (&text[..colon], text, text)
    };
    if after_open.len() == text.len() && position(host, b':').is_some() {
        return Err(COLONS);
    }
    if position(after_open, b'[').is_some() {
        return Err("unexpected '[' in address");
    }
    if position(after_close, b']').is_some() {
        return Err("unexpected ']' in address");
    }
    Ok((host, &text[colon + 1..]))
}

fn position(text: &[u8], wanted: u8) -> Option<usize> {
    text.iter().position(|&byte| byte == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits() {
        let rows = [
            ("a:1", "a", "1"),
            ("a:", "a", ""),
            (":1", "", "1"),
            (":", "", ""),
            ("[::1]:80", "::1", "80"),
            ("[]:x", "", "x"),
            ("é:http", "é", "http"),
        ];
        for (text, host, port) in rows {
            assert_eq!(split_str(text), Ok((host, port)), "{text}");
            assert_eq!(
                split(text.as_bytes()),
                Ok((host.as_bytes(), port.as_bytes())),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses() {
        let rows = [
            ("", "address : missing port in address"),
            ("a", "address a: missing port in address"),
            ("a:1:2", "address a:1:2: too many colons in address"),
            ("::1", "address ::1: too many colons in address"),
            ("[::1]", "address [::1]: missing port in address"),
            ("[::1", "address [::1: missing ']' in address"),
            ("[::1]x:1", "address [::1]x:1: missing port in address"),
            ("[::1]:1:2", "address [::1]:1:2: too many colons in address"),
            ("[[::1]:1", "address [[::1]:1: unexpected '[' in address"),
            ("[::1]:]", "address [::1]:]: unexpected ']' in address"),
            ("a]:1", "address a]:1: unexpected ']' in address"),
            ("a[:1", "address a[:1: unexpected '[' in address"),
        ];
        for (text, expect) in rows {
            assert_eq!(
                split_str(text).map_err(|error| error.to_string()),
                Err(expect.to_owned())
            );
        }
        assert_eq!(host(b"a:1"), b"a");
        assert_eq!(host(b"[::1]"), b"[::1]");
    }

    #[test]
    fn joins() {
        assert_eq!(join("a", 80), "a:80");
        assert_eq!(join("::1", "http"), "[::1]:http");
    }
}
