//! Sans-IO. Rewrites the transport parameters that the QUIC library would send.
//!
//! The library derives them from its own limits and offers no knob for some. What it enforces stays
//! as it is; the edge is told less credit or a shorter list, never more than is kept.

use quinn_proto::Side;
use quinn_proto::transport_parameters::{Error, TransportParameters};

/// A change of one parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Its value is this one.
    Set(Id, u64),
    /// It is not sent.
    Omit(Id),
}

/// Parameters that are changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Id {
    MaxStreamDataBidiLocal = 0x05,
    MaxStreamDataBidiRemote = 0x06,
    MaxStreamDataUni = 0x07,
    MaxAckDelay = 0x0b,
    ActiveConnectionIdLimit = 0x0e,
    MaxDatagramFrameSize = 0x20,
    /// Of a draft that the edge does not speak.
    MinAckDelay = 0xff04_de1b,
}

/// What an edge says of its limits that users want to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// Bytes of a packet that it takes.
    pub(crate) payload: u64,
    /// Milliseconds of silence after which it gives up; zero for never.
    pub(crate) idle: u64,
    /// Bytes of a frame with a datagram that it takes; zero for none.
    pub(crate) datagram: u64,
}

/// Returns what an edge says with its parameters.
pub(crate) fn told(parameters: &TransportParameters) -> Told {
    let mut written = Vec::with_capacity(128);
    parameters.write(&mut written);
    let all = split(&written).unwrap_or_default();
    let value = |id: u64, default: u64| {
        let whole = all
            .iter()
            .find(|(other, _)| *other == id)
            .map(|(_, whole)| *whole);
        let read = |mut whole: &[u8]| {
            take_varint(&mut whole)?;
            take_varint(&mut whole)?;
            take_varint(&mut whole)
        };
        whole.and_then(read).unwrap_or(default)
    };
    Told {
        payload: value(MAX_UDP_PAYLOAD_SIZE, LARGEST_PAYLOAD),
        idle: value(MAX_IDLE_TIMEOUT, 0),
        datagram: value(Id::MaxDatagramFrameSize as u64, 0),
    }
}

/// Parameters that are read only (RFC 9000 §18.2).
const MAX_IDLE_TIMEOUT: u64 = 0x01;
const MAX_UDP_PAYLOAD_SIZE: u64 = 0x03;
/// What is meant by whoever does not say.
const LARGEST_PAYLOAD: u64 = 65_527;

/// Returns `parameters` of a client with `changes` made.
///
/// # Errors
///
/// Fails when the outcome breaks a rule of QUIC.
pub(crate) fn rewrite(
    parameters: &TransportParameters,
    changes: &[Change],
) -> Result<TransportParameters, Error> {
    let mut written = Vec::with_capacity(128);
    parameters.write(&mut written);
    let mut rewritten = Vec::with_capacity(128);
    for (id, whole) in split(&written).ok_or(Error::Malformed)? {
        if !changes.iter().any(|change| change.id() as u64 == id) {
            rewritten.extend_from_slice(whole);
        }
    }
    for change in changes {
        if let Change::Set(id, value) = change {
            put(&mut rewritten, *id, *value);
        }
    }
    TransportParameters::read(Side::Server, &mut rewritten.as_slice())
}

impl Change {
    const fn id(self) -> Id {
        match self {
            Self::Set(id, _) | Self::Omit(id) => id,
        }
    }
}

/// Splits encoded parameters into their ids and the bytes that carry them.
fn split(mut bytes: &[u8]) -> Option<Vec<(u64, &[u8])>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let whole = bytes;
        let id = take_varint(&mut bytes)?;
        let length = usize::try_from(take_varint(&mut bytes)?).ok()?;
        bytes = bytes.get(length..)?;
        all.push((id, &whole[..whole.len() - bytes.len()]));
    }
    Some(all)
}

/// Takes a variable-length integer (RFC 9000 §16).
pub(crate) fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let first = *bytes.first()?;
    let length = 1 << (first >> 6);
    let encoded = bytes.get(..length)?;
    *bytes = &bytes[length..];
    let rest = encoded[1..].iter();
    Some(rest.fold(u64::from(first & 0x3f), |value, byte| {
        value << 8 | u64::from(*byte)
    }))
}

/// Appends a parameter.
fn put(bytes: &mut Vec<u8>, id: Id, value: u64) {
    put_varint(bytes, id as u64);
    let mut encoded = Vec::with_capacity(8);
    put_varint(&mut encoded, value);
    bytes.push(u8::try_from(encoded.len()).unwrap_or(8));
    bytes.extend_from_slice(&encoded);
}

/// Appends a variable-length integer in its shortest form: the library reads no other.
fn put_varint(bytes: &mut Vec<u8>, value: u64) {
    let exponent = match value {
        0..=0x3f => 0,
        0x40..=0x3fff => 1,
        0x4000..=0x3fff_ffff => 2,
        _ => 3,
    };
    let size = 1 << exponent;
    let marked = value << (64 - 8 * size) | exponent << 62;
    bytes.extend_from_slice(&marked.to_be_bytes()[..size as usize]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_replaced_and_another_left_out() {
        // max_idle_timeout 5000, max_ack_delay 20, active_connection_id_limit 5.
        let bytes = [0x01, 0x02, 0x53, 0x88, 0x0b, 0x01, 20, 0x0e, 0x01, 5];
        let before = TransportParameters::read(Side::Server, &mut &bytes[..]).expect("they are legal");
        let changes = [
            Change::Set(Id::MaxAckDelay, 26),
            Change::Omit(Id::ActiveConnectionIdLimit),
        ];
        let after = rewrite(&before, &changes).expect("they stay legal");
        let mut written = Vec::new();
        after.write(&mut written);
        assert_eq!(written, [0x01, 0x02, 0x53, 0x88, 0x0b, 0x01, 26]);
    }

    #[test]
    fn what_an_edge_says_is_read() {
        type Row<'a> = (&'a [u8], (u64, u64, u64));
        let rows: [Row<'_>; 3] = [
            (&[], (65_527, 0, 0)),
            (&[0x01, 0x02, 0x53, 0x88], (65_527, 5_000, 0)),
            (
                // max_udp_payload_size 1452, max_idle_timeout 30 s, max_datagram_frame_size 1200.
                &[3, 2, 0x45, 0xac, 1, 4, 0x80, 0, 0x75, 0x30, 0x20, 2, 0x44, 0xb0],
                (1452, 30_000, 1200),
            ),
        ];
        for (mut bytes, (payload, idle, datagram)) in rows {
            let parameters = TransportParameters::read(Side::Client, &mut bytes).expect("they are legal");
            let expected = Told {
                payload,
                idle,
                datagram,
            };
            assert_eq!(told(&parameters), expected);
        }
    }

    #[test]
    fn integers_take_the_shortest_form() {
        for value in [0, 63, 64, 16_383, 16_384, (1 << 30) - 1, 1 << 30, (1 << 62) - 1] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            let mut rest = &bytes[..];
            assert_eq!(take_varint(&mut rest), Some(value));
            assert!(rest.is_empty());
        }
    }

    #[test]
    fn an_illegal_value_is_refused() {
        let before = TransportParameters::read(Side::Server, &mut &[][..]).expect("none is legal");
        assert!(rewrite(&before, &[Change::Set(Id::MaxAckDelay, 1 << 14)]).is_err());
    }
}
