//! Sans-IO. Reads the head of an answer and decides how its body is framed.

use adit_exchange::Headers;
use bytes::{Buf, Bytes, BytesMut};

use super::fields::{Fields, first_line};
use crate::headers;
use adit_dialect::quote::quote;
use adit_dialect::status;

/// Bytes that the heads of one answer may have, informational ones included.
///
/// The number of the reference implementation: origins that work there must work here.
pub(crate) const MAX_HEAD: usize = 10 << 20;

/// The head of a final answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The whole status as it was written, if that is not the usual text for its code.
    pub(crate) wording: Option<Bytes>,
    pub(crate) headers: Headers,
    pub(crate) body: Framed,
    /// Whether the connection may serve another request once the body is read.
    pub(crate) reusable: bool,
}

/// How the body of an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framed {
    /// There is none.
    None,
    /// After this many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
    /// With the connection.
    UntilClose,
    /// The protocol changes: what follows belongs to it.
    Switched,
}

/// Reads heads of answers from the bytes of a connection.
#[derive(Debug)]
pub(crate) struct Reader {
    /// Bytes that were read and not yet used.
    pub(crate) buffer: BytesMut,
    /// Bytes of informational heads already taken off the buffer.
    passed: usize,
    state: State,
    /// Whether the request was a `HEAD`, whose answer has no body whatever it says.
    head_only: bool,
}

#[derive(Debug)]
enum State {
    Status,
    Fields { status: Status, fields: Fields },
}

#[derive(Clone, Copy, Debug)]
struct Status {
    code: u16,
    /// Where its text begins and ends, if that is not the usual one.
    wording: Option<(usize, usize)>,
    /// Whether the answer is HTTP/1.0, which closes unless it says otherwise.
    old: bool,
}

/// What a head turned out to be.
#[derive(Debug)]
pub(crate) enum Head {
    /// An informational one; another follows.
    Informational(u16),
    /// The answer.
    Final(Answer),
}

impl Reader {
    /// Returns a reader for the answer to one request.
    pub(crate) fn new(head_only: bool) -> Self {
        Self {
            buffer: BytesMut::new(),
            passed: 0,
            state: State::Status,
            head_only,
        }
    }

    /// Returns whether nothing at all has arrived.
    pub(crate) fn is_untouched(&self) -> bool {
        self.passed == 0 && self.buffer.is_empty()
    }

    /// Reads on in what has arrived; nothing while a head is incomplete.
    ///
    /// # Errors
    ///
    /// Fails with the text that describes the violation.
    pub(crate) fn read(&mut self) -> Result<Option<Head>, String> {
        let head = self.read_head()?;
        let read = if head.is_some() {
            self.passed
        } else {
            self.passed + self.buffer.len()
        };
        if read > MAX_HEAD {
            return Err(format!(
                "net/http: server response headers exceeded {MAX_HEAD} bytes; aborted"
            ));
        }
        Ok(head)
    }

    fn read_head(&mut self) -> Result<Option<Head>, String> {
        if matches!(self.state, State::Status) {
            let Some((line, next)) = first_line(&self.buffer) else {
                return Ok(None);
            };
            self.state = State::Fields {
                status: Status::parse(line)?,
                fields: Fields::starting_at(next),
            };
        }
        let State::Fields { status, fields } = &mut self.state else {
            return Ok(None);
        };
        let Some(end) = fields.read(&self.buffer)? else {
            return Ok(None);
        };
        let (status, fields) = (*status, std::mem::take(fields));
        self.state = State::Status;
        self.passed += end;
        if (100..200).contains(&status.code) && status.code != 101 {
            self.buffer.advance(end);
            return Ok(Some(Head::Informational(status.code)));
        }
        let head = self.buffer.split_to(end).freeze();
        let mut answer = Answer::new(status, fields.cut(&head), self.head_only)?;
        answer.wording = status.wording.map(|(from, to)| head.slice(from..to));
        Ok(Some(Head::Final(answer)))
    }
}

impl Status {
    fn parse(line: &[u8]) -> Result<Self, String> {
        let Some(space) = line.iter().position(|byte| *byte == b' ') else {
            return Err(format!("malformed HTTP response {}", quote(line)));
        };
        let (version, rest) = (&line[..space], &line[space..]);
        let rest = &rest[rest.iter().take_while(|byte| **byte == b' ').count()..];
        let code = rest.split(|byte| *byte == b' ').next().unwrap_or_default();
        let malformed_code = || format!("malformed HTTP status code {}", quote(code));
        let number = match code {
            [b'+', digits @ ..] => digits,
            digits => digits,
        };
        if code.len() != 3 || !number.iter().all(u8::is_ascii_digit) {
            return Err(malformed_code());
        }
        let code_number = number
            .iter()
            .fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
        let [
            b'H',
            b'T',
            b'T',
            b'P',
            b'/',
            major @ b'0'..=b'9',
            b'.',
            minor @ b'0'..=b'9',
        ] = version
        else {
            return Err(format!("malformed HTTP version {}", quote(version)));
        };
        Ok(Self {
            code: code_number,
            wording: (!is_usual(rest, code_number)).then_some((line.len() - rest.len(), line.len())),
            old: *major == b'0' || (*major == b'1' && *minor == b'0'),
        })
    }
}

/// Returns whether a status is written as it usually is.
fn is_usual(text: &[u8], code: u16) -> bool {
    let words = text.get(3..).and_then(|text| text.strip_prefix(b" "));
    code >= 100 && words == Some(status::words(code).as_bytes())
}

impl Answer {
    fn new(status: Status, block: Vec<(Bytes, Bytes)>, head_only: bool) -> Result<Self, String> {
        let mut headers: Headers = block
            .into_iter()
            .map(|(name, value)| (headers::canonical(&name), value))
            .collect();
        let chunked = take_transfer_encoding(&mut headers, status.old)?;
        let length = content_length(&mut headers)?;
        let body = framing(status.code, head_only, chunked, length);
        if chunked && body == Framed::Chunked {
            headers.remove("Content-Length");
        }
        if chunked {
            headers.remove("Trailer");
        }
        let reusable = take_persistence(&mut headers, status.old);
        Ok(Self {
            status: status.code,
            wording: None,
            reusable: reusable && !matches!(body, Framed::UntilClose | Framed::Switched),
            headers,
            body,
        })
    }
}

fn framing(status: u16, head_only: bool, chunked: bool, length: Option<u64>) -> Framed {
    if status == 101 {
        return Framed::Switched;
    }
    if head_only || matches!(status, 204 | 304) || status / 100 == 1 {
        return Framed::None;
    }
    match length {
        _ if chunked => Framed::Chunked,
        Some(0) => Framed::None,
        Some(length) => Framed::Length(length),
        None => Framed::UntilClose,
    }
}

/// Removes `Transfer-Encoding` and returns whether it says chunked.
fn take_transfer_encoding(headers: &mut Headers, old: bool) -> Result<bool, String> {
    let values: Vec<Bytes> = headers.all(b"Transfer-Encoding").cloned().collect();
    headers.remove("Transfer-Encoding");
    match &values[..] {
        [] => Ok(false),
        _ if old => Ok(false),
        [value] if value.eq_ignore_ascii_case(b"chunked") => Ok(true),
        [value] => Err(format!("unsupported transfer encoding: {}", quote(value))),
        several => Err(format!("too many transfer encodings: {}", quoted_list(several))),
    }
}

/// Returns what `Content-Length` says; several equal ones become one.
fn content_length(headers: &mut Headers) -> Result<Option<u64>, String> {
    let values: Vec<Bytes> = headers.all(b"Content-Length").cloned().collect();
    let Some((first, more)) = values.split_first() else {
        return Ok(None);
    };
    if more.iter().any(|value| value != first) {
        return Err(format!(
            "http: message cannot contain multiple Content-Length headers; got {}",
            quoted_list(&values)
        ));
    }
    if !more.is_empty() {
        headers.set("Content-Length", first.clone());
    }
    if first.is_empty() {
        return Err(format!("invalid empty Content-Length {}", quote(first)));
    }
    match headers::decimal(first) {
        Some(length) => Ok(Some(length)),
        None => Err(format!("bad Content-Length {}", quote(first))),
    }
}

/// Returns whether the connection persists, and removes `Connection` where it says it does not.
fn take_persistence(headers: &mut Headers, old: bool) -> bool {
    let says = |token: &[u8]| {
        headers
            .all(b"Connection")
            .any(|value| headers::has_token(value, token))
    };
    let closes = says(b"close");
    let persists = !closes && (!old || says(b"keep-alive"));
    if closes && !old {
        headers.remove("Connection");
    }
    persists
}

fn quoted_list(values: &[Bytes]) -> String {
    let quoted: Vec<String> = values.iter().map(quote).collect();
    format!("[{}]", quoted.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `text` in pieces of this size.
    fn read(text: &[u8], step: usize) -> String {
        let mut reader = Reader::new(false);
        for piece in text.chunks(step) {
            reader.buffer.extend_from_slice(piece);
            loop {
                match reader.read() {
                    Ok(Some(Head::Informational(_))) => {}
                    Ok(Some(Head::Final(answer))) => return format!("{answer:?}"),
                    Ok(None) => break,
                    Err(text) => return text,
                }
            }
        }
        "unfinished".into()
    }

    #[test]
    fn heads_read_the_same_however_they_are_cut() {
        let texts: [&[u8]; 8] = [
            b"HTTP/1.1 200 OK\r\nA: b\r\nC:\td \r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 204\nA: b\n folded\n\tmore\n\n",
            b"HTTP/1.1 301 Moved\r\nConnection: x, Close\r\nTransfer-Encoding: Chunked\r\nTrailer: T\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n folded first\r\n\r\n",
            b"ICY 200 OK\r\n\r\n",
            b"\r\nHTTP/1.1 200 OK\r\n\r\n",
        ];
        for text in texts {
            let whole = read(text, text.len());
            assert_ne!(whole, "unfinished", "{text:?}");
            for step in 1..8 {
                assert_eq!(read(text, step), whole, "{text:?} in steps of {step}");
            }
        }
    }

    #[test]
    fn a_status_keeps_its_text_where_that_is_unusual() {
        let rows: [(&[u8], Option<&[u8]>); 9] = [
            (b"HTTP/1.1 200 OK", None),
            (b"HTTP/1.1  404 Not Found", None),
            (b"HTTP/1.1 413 Request Entity Too Large", None),
            (b"HTTP/1.1 413 Payload Too Large", Some(b"413 Payload Too Large")),
            (b"HTTP/1.1 404 Nothing  here ", Some(b"404 Nothing  here ")),
            (b"HTTP/1.1 204", Some(b"204")),
            (b"HTTP/1.1 299 ", None),
            (b"HTTP/1.1 +20 OK", Some(b"+20 OK")),
            (b"HTTP/1.1 200 \xff", Some(b"200 \xff")),
        ];
        for (line, expected) in rows {
            let mut reader = Reader::new(false);
            reader.buffer.extend_from_slice(line);
            reader.buffer.extend_from_slice(b"\r\nA: b\r\n\r\n");
            let Ok(Some(Head::Final(answer))) = reader.read() else {
                panic!("{line:?}");
            };
            assert_eq!(answer.wording.as_deref(), expected, "{line:?}");
        }
    }

    #[test]
    fn any_bytes_are_read_without_harm() {
        let mut random = fastrand::Rng::with_seed(7);
        let pieces: [&[u8]; 9] = [
            b"HTTP/1.1 ",
            b"200",
            b" OK",
            b"\r\n",
            b"\n",
            b"A: b",
            b" ",
            b"Content-Length: ",
            b"\xff\0",
        ];
        for _ in 0..5000 {
            let mut text = Vec::new();
            for _ in 0..random.usize(..20) {
                text.extend_from_slice(pieces[random.usize(..pieces.len())]);
            }
            assert_eq!(read(&text, 1), read(&text, text.len().max(1)), "{text:?}");
        }
    }
}
