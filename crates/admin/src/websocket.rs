//! Sans-IO. The frames of a WebSocket, from the side of a server.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// A message may not be longer.
pub(crate) const LONGEST: usize = 32 << 10;

/// The longest reason that fits into a closing frame.
const LONGEST_REASON: usize = 123;

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Text(Bytes),
    Binary,
    Ping(Bytes),
    Pong,
    /// It leaves, with this code if it names one.
    Close(Option<u16>),
}

/// Why bytes are no WebSocket, as the code to close it with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Protocol = 1002,
    TooLong = 1009,
}

/// Reads frames, joined to messages, from bytes as they come.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    bytes: BytesMut,
    /// The message that is not complete yet, and whether it is a text.
    begun: Option<(bool, BytesMut)>,
}

impl Reader {
    /// Takes bytes that came.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Returns the next message, if it is complete.
    pub(crate) fn next(&mut self) -> Result<Option<Message>, Broken> {
        while let Some((first, payload)) = self.frame()? {
            let last = first & 0x80 != 0;
            let message = match (first & 0x0f, last) {
                (0x8, true) => Message::Close((payload.len() >= 2).then(|| (&payload[..]).get_u16())),
                (0x9, true) => Message::Ping(payload),
                (0xa, true) => Message::Pong,
                (0x0..=0x2, _) => match self.part(first & 0x0f, last, &payload)? {
                    Some(message) => message,
                    None => continue,
                },
                _ => return Err(Broken::Protocol),
            };
            return Ok(Some(message));
        }
        Ok(None)
    }

    /// Adds a part of a message; returns the message if that was the last part.
    fn part(&mut self, opcode: u8, last: bool, payload: &Bytes) -> Result<Option<Message>, Broken> {
        let (is_text, mut whole) = match (opcode, self.begun.take()) {
            (0, Some(begun)) => begun,
            (1 | 2, None) => (opcode == 1, BytesMut::new()),
            _ => return Err(Broken::Protocol),
        };
        if whole.len() + payload.len() > LONGEST {
            return Err(Broken::TooLong);
        }
        whole.extend_from_slice(payload);
        if !last {
            self.begun = Some((is_text, whole));
            return Ok(None);
        }
        Ok(Some(if is_text {
            Message::Text(whole.freeze())
        } else {
            Message::Binary
        }))
    }

    /// Takes a frame off the bytes, unmasked.
    fn frame(&mut self) -> Result<Option<(u8, Bytes)>, Broken> {
        let [first, second, ..] = self.bytes[..] else {
            return Ok(None);
        };
        // Reserved bits mean extensions, and there are none. A client masks what it says.
        if first & 0x70 != 0 || second & 0x80 == 0 {
            return Err(Broken::Protocol);
        }
        let more = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let Some(extended) = self.bytes.get(2..2 + more) else {
            return Ok(None);
        };
        let length = match more {
            0 => u64::from(second & 0x7f),
            _ => extended
                .iter()
                .fold(0, |length, byte| length << 8 | u64::from(*byte)),
        };
        let is_control = first & 0x08 != 0;
        if is_control && length > 125 {
            return Err(Broken::Protocol);
        }
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= LONGEST)
            .ok_or(Broken::TooLong)?;
        let head = 2 + more + 4;
        if self.bytes.len() < head + length {
            return Ok(None);
        }
        self.bytes.advance(2 + more);
        let mask = self.bytes.split_to(4);
        let mut payload = self.bytes.split_to(length);
        for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
            *byte ^= mask;
        }
        Ok(Some((first, payload.freeze())))
    }
}

/// Returns a text as a frame.
pub(crate) fn text(text: &str) -> Bytes {
    frame(0x1, text.as_bytes())
}

/// Returns a sign of life as a frame.
pub(crate) fn ping() -> Bytes {
    frame(0x9, &[])
}

/// Returns the answer to a sign of life.
pub(crate) fn pong(payload: &[u8]) -> Bytes {
    frame(0xa, payload)
}

/// Returns a goodbye as a frame; the reason is cut where it does not fit.
pub(crate) fn close(code: u16, reason: &str) -> Bytes {
    let mut end = reason.len().min(LONGEST_REASON);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let payload = [&code.to_be_bytes(), &reason.as_bytes()[..end]].concat();
    frame(0x8, &payload)
}

fn frame(opcode: u8, payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(payload.len() + 10);
    frame.put_u8(0x80 | opcode);
    match payload.len() {
        length @ 0..=125 => frame.put_u8(length.to_be_bytes()[7]),
        length @ 126..=0xffff => {
            frame.put_u8(126);
            frame.put_slice(&length.to_be_bytes()[6..]);
        }
        length => {
            frame.put_u8(127);
            frame.put_u64(length as u64);
        }
    }
    frame.put_slice(payload);
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [1, 2, 3, 4];
        let mut frame = vec![first];
        if payload.len() < 126 {
            frame.push(0x80 | u8::try_from(payload.len()).unwrap());
        } else {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        }
        frame.extend(mask);
        frame.extend(
            payload
                .iter()
                .zip(mask.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
        frame
    }

    #[test]
    fn frames_become_messages_however_they_are_cut() {
        let long = vec![b'x'; 1000];
        let stream = [
            masked(0x81, b"{}"),
            masked(0x01, b"a"),
            masked(0x89, b"life"),
            masked(0x80, b"b"),
            masked(0x81, &long),
            masked(0x88, &[0x03, 0xe8]),
        ]
        .concat();
        let expected = [
            Message::Text("{}".into()),
            Message::Ping("life".into()),
            Message::Text("ab".into()),
            Message::Text(long.into()),
            Message::Close(Some(1000)),
        ];
        for size in [1, 7, stream.len()] {
            let mut reader = Reader::default();
            let mut found = Vec::new();
            for piece in stream.chunks(size) {
                reader.feed(piece);
                while let Some(message) = reader.next().unwrap() {
                    found.push(message);
                }
            }
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn what_is_no_websocket_is_refused() {
        let cases: [(&[u8], Broken); 5] = [
            (&[0x81, 0x00], Broken::Protocol),
            (&[0xc1, 0x80, 0, 0, 0, 0], Broken::Protocol),
            (&[0x80, 0x80, 0, 0, 0, 0], Broken::Protocol),
            (&[0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 0], Broken::TooLong),
            (&[0x89, 0xfe, 0, 200], Broken::Protocol),
        ];
        for (bytes, expected) in cases {
            let mut reader = Reader::default();
            reader.feed(bytes);
            assert_eq!(reader.next(), Err(expected), "{bytes:?}");
        }
    }

    #[test]
    fn reasons_are_cut_at_a_letter() {
        let frame = close(1000, &"ä".repeat(100));
        assert_eq!(frame[1], 2 + 122);
    }
}
