//! Asks a running connector on this machine something, over its metrics server.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::listen;
use adit_dialect::errno;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: Vec<u8>,
}

/// An answer may not be larger.
const LARGEST: u64 = 64 << 20;

/// Sends a GET request to `host:port` and returns the answer.
///
/// # Errors
///
/// Fails in upstream's words when there is no answer.
pub(crate) fn get(authority: &str, path: &str, limit: Duration) -> Result<Answer, String> {
    let told = |reason: String| format!("Get \"http://{authority}{path}\": {reason}");
    let address = listen::target(authority).map_err(&told)?;
    let dial = |error: std::io::Error| told(format!("dial tcp {address}: connect: {}", errno::text(&error)));
    let stream = TcpStream::connect_timeout(&address, limit).map_err(dial)?;
    exchange(stream, &address, (authority, path), limit).map_err(told)
}

fn exchange(
    mut stream: TcpStream,
    address: &SocketAddr,
    (authority, path): (&str, &str),
    limit: Duration,
) -> Result<Answer, String> {
    let told = |error: std::io::Error| format!("read tcp {address}: {}", errno::text(&error));
    stream.set_read_timeout(Some(limit)).map_err(told)?;
    stream.set_write_timeout(Some(limit)).map_err(told)?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {authority}\r\nAccept: application/json;version=1\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).map_err(told)?;
    let mut bytes = Vec::new();
    stream.take(LARGEST).read_to_end(&mut bytes).map_err(told)?;
    parse(&bytes).ok_or_else(|| "malformed HTTP response".to_owned())
}

/// Reads a whole response.
fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let body = &bytes[end + 4..];
    let mut lines = head.lines();
    let status = lines
        .next()?
        .strip_prefix("HTTP/1.")?
        .split(' ')
        .nth(1)?
        .parse()
        .ok()?;
    let chunked = lines.any(|line| line.eq_ignore_ascii_case("transfer-encoding: chunked"));
    let body = if chunked { join(body)? } else { body.to_vec() };
    Some(Answer { status, body })
}

/// Joins the chunks of a body.
fn join(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = std::str::from_utf8(&rest[..end]).ok()?.split(';').next()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        rest = &rest[end + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_and_chunked_answers_are_read() {
        type Taken<'a> = Option<(u16, &'a [u8])>;
        let cases: [(&[u8], Taken<'_>); 5] = [
            (
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK",
                Some((200, b"OK")),
            ),
            (
                b"HTTP/1.1 503 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x\r\nc\r\n0\r\n\r\n",
                Some((503, b"abc")),
            ),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nab",
                None,
            ),
            (b"HTTP/1.1 200 OK\r\n", None),
            (b"nonsense\r\n\r\n", None),
        ];
        for (bytes, expected) in cases {
            let found = parse(bytes).map(|answer| (answer.status, answer.body));
            assert_eq!(found, expected.map(|(status, body)| (status, body.to_vec())));
        }
    }
}
