//! Sans-IO. The first bytes of a stream: what kind it is, and the version of what follows.

use bytes::BufMut;

use crate::{DecodeError, Intake};

/// What a stream between edge and connector carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One request, answered by one response.
    Data,
    /// Calls.
    Rpc,
}

/// The signature of a data stream.
pub const DATA: [u8; 6] = [0x0a, 0x36, 0xcd, 0x12, 0xa1, 0x3e];

/// The signature of a stream of calls.
pub const RPC: [u8; 6] = [0x52, 0xbb, 0x82, 0x5c, 0xdb, 0x65];

/// The version that follows the signature of a data stream. A reader accepts any other.
pub const VERSION: [u8; 2] = *b"01";

/// Takes the preamble of a stream, or returns nothing while more bytes are needed.
///
/// # Errors
///
/// Fails when the first six bytes are no signature.
pub fn take(intake: &mut Intake) -> Result<Option<Kind>, DecodeError> {
    let Some(signature) = intake.as_slice().first_chunk() else {
        return Ok(None);
    };
    let (kind, length) = match *signature {
        DATA => (Kind::Data, DATA.len() + VERSION.len()),
        RPC => (Kind::Rpc, RPC.len()),
        unknown => return Err(DecodeError::Signature(unknown)),
    };
    if intake.as_slice().len() < length {
        return Ok(None);
    }
    intake.split_to(length);
    Ok(Some(kind))
}

/// Writes the preamble of a stream.
pub fn put(kind: Kind, out: &mut impl BufMut) {
    match kind {
        Kind::Data => {
            out.put_slice(&DATA);
            out.put_slice(&VERSION);
        }
        Kind::Rpc => out.put_slice(&RPC),
    }
}

/// Returns what it means that a stream ended while [`take`] needed more bytes.
#[must_use]
pub fn ended(intake: &Intake) -> DecodeError {
    // Signature and version are two values: the stream may also end cleanly between them.
    match intake.as_slice().len() {
        0 | 6 => DecodeError::Ended,
        _ => DecodeError::Truncated,
    }
}
