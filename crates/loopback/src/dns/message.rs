//! Sans-IO. DNS messages, as far as a server for a handful of names needs them.

use std::net::IpAddr;

/// A question that a client asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    id: u16,
    /// Whether the client wants recursion; repeated in the answer.
    recursion: bool,
    /// The name in lower case, without a final dot.
    pub(super) name: String,
    /// The type of record that is asked for.
    pub(super) kind: u16,
    /// The question as it stands in the message.
    raw: Vec<u8>,
    /// How large an answer over UDP may be.
    pub(super) room: usize,
}

/// One record of the zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A host and port that offers a service.
    Srv {
        /// Lower is tried first.
        priority: u16,
        /// Share among those of equal priority.
        weight: u16,
        /// The port.
        port: u16,
        /// The name of the host.
        target: String,
    },
    /// An address of a host, of either family.
    Address(IpAddr),
    /// Character-strings.
    Text(Vec<String>),
}

/// The outcome of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    Success = 0,
    ServerFailure = 2,
    NoSuchName = 3,
}

pub(super) const TYPE_A: u16 = 1;
pub(super) const TYPE_TXT: u16 = 16;
pub(super) const TYPE_AAAA: u16 = 28;
pub(super) const TYPE_SRV: u16 = 33;
const TYPE_OPT: u16 = 41;
const CLASS_IN: u16 = 1;
/// What a client accepts over UDP unless it says otherwise.
const ROOM: usize = 512;
/// Answers may be kept by clients for this long: not at all, so that faults show at once.
const TTL: u32 = 0;
const HEADER: usize = 12;

impl Record {
    pub(super) const fn kind(&self) -> u16 {
        match self {
            Self::Srv { .. } => TYPE_SRV,
            Self::Address(IpAddr::V4(_)) => TYPE_A,
            Self::Address(IpAddr::V6(_)) => TYPE_AAAA,
            Self::Text(_) => TYPE_TXT,
        }
    }

    fn data(&self) -> Vec<u8> {
        match self {
            Self::Srv {
                priority,
                weight,
                port,
                target,
            } => {
                let numbers = [priority, weight, port];
                let mut data: Vec<u8> = numbers
                    .into_iter()
                    .flat_map(|number| number.to_be_bytes())
                    .collect();
                data.extend(encode_name(target));
                data
            }
            Self::Address(IpAddr::V4(ip)) => ip.octets().to_vec(),
            Self::Address(IpAddr::V6(ip)) => ip.octets().to_vec(),
            Self::Text(strings) => strings.iter().flat_map(|string| encode_string(string)).collect(),
        }
    }
}

impl Question {
    /// Reads a query; nothing comes of bytes that are none.
    pub(super) fn read(message: &[u8]) -> Option<Self> {
        let flags = number(message, 2)?;
        let is_query = flags & 0x8000 == 0 && flags & 0x7800 == 0;
        if !is_query || number(message, 4)? != 1 {
            return None;
        }
        let (name, end) = read_name(message)?;
        let kind = number(message, end)?;
        if number(message, end + 2)? != CLASS_IN {
            return None;
        }
        let end = end + 4;
        Some(Self {
            id: number(message, 0)?,
            recursion: flags & 0x0100 != 0,
            name,
            kind,
            raw: message.get(HEADER..end)?.to_vec(),
            room: room(message, end).unwrap_or(ROOM),
        })
    }

    /// Writes the answer.
    pub(super) fn answer(&self, code: Code, records: &[Record]) -> Vec<u8> {
        let mut message = self.head(code, 0, records.len());
        for record in records {
            let data = record.data();
            // The name of every answer is the one asked for, which stands at this offset.
            message.extend((0xc000 | HEADER as u16).to_be_bytes());
            message.extend(record.kind().to_be_bytes());
            message.extend(CLASS_IN.to_be_bytes());
            message.extend(TTL.to_be_bytes());
            message.extend((data.len() as u16).to_be_bytes());
            message.extend(data);
        }
        message
    }

    /// Writes the answer that sends the client to TCP.
    pub(super) fn truncated(&self) -> Vec<u8> {
        self.head(Code::Success, 0x0200, 0)
    }

    fn head(&self, code: Code, extra: u16, answers: usize) -> Vec<u8> {
        // A response, authoritative, recursion available.
        let recursion = if self.recursion { 0x0100 } else { 0 };
        let flags = 0x8480 | recursion | extra | code as u16;
        let numbers = [self.id, flags, 1, answers as u16, 0, 0];
        let mut message: Vec<u8> = numbers.into_iter().flat_map(u16::to_be_bytes).collect();
        message.extend(&self.raw);
        message
    }
}

fn number(message: &[u8], at: usize) -> Option<u16> {
    let bytes = message.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes(bytes.try_into().ok()?))
}

/// Reads the name behind the header and says where it ends. Names in questions are not compressed.
fn read_name(message: &[u8]) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    let mut at = HEADER;
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        match length {
            0 => return Some((labels.join("."), at)),
            1..64 => labels.push(read_label(message.get(at..at + length)?)?),
            _ => return None,
        }
        at += length;
    }
}

fn read_label(label: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(label).ok()?;
    Some(text.to_ascii_lowercase())
}

/// Finds the size of answers that the client announces in an OPT record right behind the question.
fn room(message: &[u8], at: usize) -> Option<usize> {
    let is_root = *message.get(at)? == 0;
    let is_option = number(message, at + 1)? == TYPE_OPT;
    let size = usize::from(number(message, at + 3)?);
    (is_root && is_option).then_some(size.max(ROOM))
}

fn encode_name(name: &str) -> Vec<u8> {
    let labels = name.split('.').filter(|label| !label.is_empty());
    let mut encoded: Vec<u8> = labels.flat_map(encode_string).collect();
    encoded.push(0);
    encoded
}

/// Writes a length and that many bytes: at most 255, which is all the format can say.
fn encode_string(string: &str) -> Vec<u8> {
    let bytes = string.as_bytes();
    let length = bytes.len().min(255);
    let mut encoded = vec![length as u8];
    encoded.extend(&bytes[..length]);
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: &[u8] = b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0\x02ab\x01C\0\0\x10\0\x01";

    #[test]
    fn a_question_and_its_answer() {
        let question = Question::read(QUERY).expect("a query");
        assert_eq!((question.name.as_str(), question.kind), ("ab.c", TYPE_TXT));
        let answer = question.answer(Code::Success, &[Record::Text(vec!["x".into(), "yz".into()])]);
        let head = b"\x12\x34\x85\x80\0\x01\0\x01\0\0\0\0\x02ab\x01C\0\0\x10\0\x01";
        let tail = b"\xc0\x0c\0\x10\0\x01\0\0\0\0\0\x05\x01x\x02yz";
        assert_eq!(answer, [head.as_slice(), tail.as_slice()].concat());
    }

    #[test]
    fn no_beginning_of_a_query_is_one() {
        for end in 0..QUERY.len() {
            assert_eq!(Question::read(&QUERY[..end]), None, "{end}");
        }
        assert_eq!(Question::read(&[0xff; 64]), None);
    }
}
