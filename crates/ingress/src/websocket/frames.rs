//! Sans-IO. WebSocket frames: taken apart on the side of the server, and put together.

use bytes::{BufMut, BytesMut};

pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;

/// Bytes that the head of a frame of ours may have.
pub(crate) const MAX_HEAD: usize = 4;

/// Bytes that the payload of a control frame may have.
const MAX_CONTROL: u64 = 125;

/// Bytes of payload that are taken at once: they are copied to be unmasked.
const STEP: usize = 16 * 1024;

/// Takes apart the frames of a visitor.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    state: State,
    /// Whether a message is under way whose last frame has not come.
    in_message: bool,
}

#[derive(Debug)]
enum State {
    Head {
        bytes: [u8; 14],
        filled: usize,
    },
    Payload(Payload),
    /// Nothing makes sense any more.
    Broken,
}

#[derive(Debug)]
struct Payload {
    opcode: u8,
    left: u64,
    mask: [u8; 4],
    /// How many bytes were unmasked so far, as far as it matters.
    turn: usize,
    /// The payload of a control frame, which is wanted whole.
    control: Vec<u8>,
}

/// What a visitor wants beside sending bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Nothing.
    Nothing,
    /// The bytes that follow, this many, are the payload of a frame of a message.
    Data {
        /// The first byte of the frame: whether it ends its message, and of what kind that is.
        first: u8,
        /// How long the payload is.
        length: u64,
    },
    /// To be answered with this payload.
    Ping(Vec<u8>),
    /// To end; this is the status, if there is one.
    Close(Vec<u8>),
    /// Something that the protocol forbids.
    Violation,
}

impl Default for State {
    fn default() -> Self {
        Self::Head {
            bytes: [0; 14],
            filled: 0,
        }
    }
}

impl Frames {
    /// Takes bytes off the beginning of `data`, appending to `payload` what is meant for the origin.
    ///
    /// Returns how many were taken, which is some unless `data` is empty.
    pub(crate) fn take(&mut self, data: &[u8], payload: &mut BytesMut) -> (usize, Event) {
        let mut taken = 0;
        while taken < data.len() && payload.len() < STEP {
            let event = match &mut self.state {
                State::Head { bytes, filled } => {
                    bytes[*filled] = data[taken];
                    *filled += 1;
                    taken += 1;
                    self.head()
                }
                State::Payload(current) => {
                    taken += current.take(&data[taken..], payload);
                    self.end_of_payload()
                }
                State::Broken => return (data.len(), Event::Nothing),
            };
            if event == Event::Violation {
                self.state = State::Broken;
            }
            if event != Event::Nothing {
                return (taken, event);
            }
        }
        (taken, Event::Nothing)
    }

    /// Looks whether a head is complete, and what it says.
    fn head(&mut self) -> Event {
        let State::Head { bytes, filled } = &self.state else {
            return Event::Nothing;
        };
        let (bytes, filled) = (*bytes, *filled);
        if filled < 2 {
            return Event::Nothing;
        }
        let (is_last, opcode) = (bytes[0] & 0x80 != 0, bytes[0] & 0x0f);
        let masked = bytes[1] & 0x80 != 0;
        let (length, at) = match bytes[1] & 0x7f {
            126 => (u64::from(u16::from_be_bytes([bytes[2], bytes[3]])), 4),
            127 => {
                let long = [2, 3, 4, 5, 6, 7, 8, 9].map(|at| bytes[at]);
                (u64::from_be_bytes(long), 10)
            }
            short => (u64::from(short), 2),
        };
        if bytes[0] & 0x70 != 0 || !masked || !self.is_in_order(opcode, is_last, bytes[1] & 0x7f) {
            return Event::Violation;
        }
        if filled < at + 4 {
            return Event::Nothing;
        }
        if length > i64::MAX.unsigned_abs() {
            return Event::Violation;
        }
        let is_data = opcode < CLOSE;
        if is_data {
            self.in_message = !is_last;
        }
        self.state = State::Payload(Payload {
            opcode,
            left: length,
            mask: [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]],
            turn: 0,
            control: Vec::new(),
        });
        let end = self.end_of_payload();
        let first = bytes[0];
        if is_data {
            Event::Data { first, length }
        } else {
            end
        }
    }

    fn is_in_order(&self, opcode: u8, is_last: bool, short_length: u8) -> bool {
        match opcode {
            CONTINUATION => self.in_message,
            TEXT | BINARY => !self.in_message,
            CLOSE | PING | PONG => is_last && u64::from(short_length) <= MAX_CONTROL,
            _ => false,
        }
    }

    /// Looks whether a payload is complete, and what it asks for.
    fn end_of_payload(&mut self) -> Event {
        let State::Payload(payload) = &mut self.state else {
            return Event::Nothing;
        };
        if payload.left > 0 {
            return Event::Nothing;
        }
        let (opcode, mut control) = (payload.opcode, std::mem::take(&mut payload.control));
        self.state = State::default();
        match opcode {
            PING => Event::Ping(control),
            CLOSE => {
                // The status is two bytes; the reason behind it is not repeated.
                control.truncate(if control.len() < 2 { 0 } else { 2 });
                Event::Close(control)
            }
            _ => Event::Nothing,
        }
    }
}

impl Payload {
    fn take(&mut self, data: &[u8], out: &mut BytesMut) -> usize {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let room = STEP.saturating_sub(out.len());
        let length = left.min(data.len()).min(room);
        let (mask, turn) = (self.mask, self.turn);
        let unmasked = data[..length]
            .iter()
            .enumerate()
            .map(|(at, byte)| byte ^ mask[(turn + at) % 4]);
        match self.opcode {
            PONG => {}
            CLOSE | PING => self.control.extend(unmasked),
            _ => out.extend(unmasked),
        }
        self.left -= length as u64;
        self.turn = (turn + length) % 4;
        length
    }
}

/// Appends the head of a frame with this much payload.
pub(crate) fn head(opcode: u8, length: usize, out: &mut BytesMut) {
    out.put_u8(0x80 | opcode);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length @ ..=125), _) => out.put_u8(length),
        (_, Ok(length)) => {
            out.put_u8(126);
            out.put_u16(length);
        }
        (_, Err(_)) => {
            out.put_u8(127);
            out.put_u64(length as u64);
        }
    }
}

/// Appends a control frame.
pub(crate) fn control(opcode: u8, payload: &[u8], out: &mut BytesMut) {
    head(opcode, payload.len(), out);
    out.put_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = BytesMut::new();
        head(0, payload.len(), &mut frame);
        frame[0] = first;
        frame[1] |= 0x80;
        let mask = [1, 2, 3, 4];
        frame.put_slice(&mask);
        frame.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]));
        frame.to_vec()
    }

    fn taken(data: &[u8], step: usize) -> (Vec<u8>, Vec<Event>) {
        let mut frames = Frames::default();
        let (mut out, mut events) = (Vec::new(), Vec::new());
        for mut part in data.chunks(step) {
            while !part.is_empty() {
                let mut payload = BytesMut::new();
                let (length, event) = frames.take(part, &mut payload);
                part = &part[length..];
                out.extend_from_slice(&payload);
                if !matches!(event, Event::Nothing | Event::Data { .. }) {
                    events.push(event);
                }
            }
        }
        (out, events)
    }

    #[test]
    fn payloads_pass_however_they_are_cut() {
        let long: Vec<u8> = (0..=255).cycle().take(70_000).collect();
        let data = [
            frame(0x82, b"one"),
            frame(0x01, b"text "),
            frame(0x89, b"ping"),
            frame(0x80, b"goes on"),
            frame(0x82, b""),
            frame(0x8a, b"pong"),
            frame(0x82, &long),
            frame(0x88, b"\x03\xe8reason"),
        ]
        .concat();
        let expect = [&b"onetext goes on"[..], &long].concat();
        let events = vec![Event::Ping(b"ping".to_vec()), Event::Close(b"\x03\xe8".to_vec())];
        for step in [1, 2, 3, 7, 1000, data.len()] {
            assert_eq!(
                taken(&data, step),
                (expect.clone(), events.clone()),
                "step {step}"
            );
        }
    }

    #[test]
    fn what_the_protocol_forbids_is_seen() {
        let long = [b'x'; 126];
        let rows = [
            vec![0x82, 0x03, b'a', b'b', b'c'],
            frame(0xc2, b"reserved"),
            frame(0x83, b"unknown"),
            frame(0x09, b"fragmented"),
            frame(0x89, &long),
            frame(0x80, b"continues nothing"),
            [frame(0x02, b"begins"), frame(0x82, b"another")].concat(),
        ];
        for data in rows {
            assert_eq!(taken(&data, 1).1.first(), Some(&Event::Violation), "{data:?}");
        }
    }
}
