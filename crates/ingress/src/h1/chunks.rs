//! Sans-IO. Undoes chunked transfer coding, trailers included.

use adit_exchange::Headers;
use bytes::{Buf, Bytes, BytesMut};

use super::fields::{Fields, trim};
use crate::headers;

/// Bytes that the line of a chunk's length may have, extensions included.
const MAX_LINE: usize = 4096;

/// Bytes that trailers may have.
const MAX_TRAILERS: usize = 64 * 1024;

/// Bytes beside data that a body may have beyond twice its data: a peer that sends one byte per
/// chunk with long extensions wants work, not to be understood.
const MAX_OVERHEAD: u64 = 16 * 1024;

/// Decodes a chunked body piece by piece.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    state: State,
    overhead: u64,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Size,
    Data(u64),
    DataEnd,
    Trailers(Fields),
    Done,
}

/// What was decoded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// More bytes are needed.
    Starved,
    /// Data.
    Data(Bytes),
    /// The end, with the trailers.
    End(Headers),
}

impl Decoder {
    /// Takes the next piece off `buffer`.
    ///
    /// # Errors
    ///
    /// Fails with the text that describes the violation.
    pub(crate) fn next(&mut self, buffer: &mut BytesMut) -> Result<Piece, String> {
        loop {
            match &mut self.state {
                State::Size => {
                    let Some(size) = self.size(buffer)? else {
                        return Ok(Piece::Starved);
                    };
                    self.state = match size {
                        0 => State::Trailers(Fields::default()),
                        size => State::Data(size),
                    };
                }
                State::Data(left) => {
                    if buffer.is_empty() {
                        return Ok(Piece::Starved);
                    }
                    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len());
                    *left -= length as u64;
                    if *left == 0 {
                        self.state = State::DataEnd;
                    }
                    return Ok(Piece::Data(buffer.split_to(length).freeze()));
                }
                State::DataEnd => match buffer[..] {
                    [b'\r', b'\n', ..] => {
                        buffer.advance(2);
                        self.state = State::Size;
                    }
                    [] | [b'\r'] => return Ok(Piece::Starved),
                    _ => return Err("malformed chunked encoding".into()),
                },
                State::Trailers(fields) => {
                    let Some(end) = fields.read(buffer)? else {
                        if buffer.len() > MAX_TRAILERS {
                            return Err("http: suspiciously long trailer after chunked body".into());
                        }
                        return Ok(Piece::Starved);
                    };
                    let fields = std::mem::take(fields);
                    self.state = State::Done;
                    let block = buffer.split_to(end).freeze();
                    let trailers = fields.cut(&block).into_iter();
                    let trailers = trailers.map(|(name, value)| (headers::canonical(&name), value));
                    return Ok(Piece::End(trailers.collect()));
                }
                State::Done => return Ok(Piece::End(Headers::new())),
            }
        }
    }

    fn size(&mut self, buffer: &mut BytesMut) -> Result<Option<u64>, String> {
        let Some(end) = buffer.iter().take(MAX_LINE).position(|byte| *byte == b'\n') else {
            if buffer.len() >= MAX_LINE {
                return Err("header line too long".into());
            }
            return Ok(None);
        };
        let line = buffer.split_to(end + 1).freeze();
        let Some(line) = line.strip_suffix(b"\r\n") else {
            return Err("chunked line ends with bare LF".into());
        };
        let size = parse_size(line)?;
        // As much as a reader may spend on chunk lines beside the data they announce.
        self.overhead = (self.overhead + end as u64 + 1).saturating_sub(16 + 2 * size);
        if self.overhead > MAX_OVERHEAD {
            return Err("chunked encoding contains too much non-data".into());
        }
        Ok(Some(size))
    }
}

fn parse_size(line: &[u8]) -> Result<u64, String> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    let digits = trim_end(digits);
    if digits.is_empty() {
        return Err("empty hex number for chunk length".into());
    }
    if let Some(long) = digits.get(..17) {
        let hex = long[..16].iter().all(u8::is_ascii_hexdigit);
        let text = if hex {
            "http chunk length too large"
        } else {
            "invalid byte in chunk length"
        };
        return Err(text.into());
    }
    let mut size = 0;
    for digit in digits {
        let Some(value) = char::from(*digit).to_digit(16) else {
            return Err("invalid byte in chunk length".into());
        };
        size = size << 4 | u64::from(value);
    }
    Ok(size)
}

fn trim_end(bytes: &[u8]) -> &[u8] {
    let leading = bytes.len() - bytes.trim_ascii_start().len();
    &bytes[..leading + trim(&bytes[leading..]).len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> Result<(String, usize, usize), String> {
        let mut buffer = BytesMut::from(text);
        let mut decoder = Decoder::default();
        let mut data = String::new();
        loop {
            match decoder.next(&mut buffer)? {
                Piece::Starved => return Err("starved".into()),
                Piece::Data(more) => data.push_str(&String::from_utf8_lossy(&more)),
                Piece::End(trailers) => return Ok((data, trailers.len(), buffer.len())),
            }
        }
    }

    #[test]
    fn chunks_are_undone() {
        let check = |text: &str, expect: Result<(&str, usize, usize), &str>| {
            let expect = expect.map(|(data, trailers, left)| (data.to_owned(), trailers, left));
            assert_eq!(decode(text), expect.map_err(str::to_owned), "{text:?}");
        };
        check("0\r\n\r\n", Ok(("", 0, 0)));
        check("5\r\nhello\r\n0\r\n\r\nrest", Ok(("hello", 0, 4)));
        check(
            "5;ext=1\r\nhello\r\nA \r\n0123456789\r\n0\r\n\r\n",
            Ok(("hello0123456789", 0, 0)),
        );
        check("1\r\na\r\n0\r\nX-T: v\r\nY: w\r\n\r\n", Ok(("a", 2, 0)));
        check("1\na\r\n0\r\n\r\n", Err("chunked line ends with bare LF"));
        check("x\r\n", Err("invalid byte in chunk length"));
        check("11111111111111111\r\n", Err("http chunk length too large"));
        check("\r\n", Err("empty hex number for chunk length"));
        check("2\r\nabc\r\n", Err("malformed chunked encoding"));
        check(
            "0\r\nbad\r\n\r\n",
            Err("malformed MIME header: missing colon: \"bad\""),
        );
        check("5\r\nhel", Err("starved"));
    }

    #[test]
    fn work_without_data_is_refused() {
        let chunk = format!("1;{}\r\na\r\n", "x".repeat(1000));
        assert_eq!(
            decode(&chunk.repeat(100)),
            Err("chunked encoding contains too much non-data".to_owned())
        );
    }
}
