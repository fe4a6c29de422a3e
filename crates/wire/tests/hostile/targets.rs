//! What is done with any bytes. The fuzzer and the tests share these.

use adit_wire::configuration::{Applied, Update};
use adit_wire::headers::{HttpHead, TcpHead};
use adit_wire::registration::{LocalConfiguration, Register, Registered};
use adit_wire::rpc::{Envelope, Outcome, put_unimplemented};
use adit_wire::session::{Close, Open, Opened};
use adit_wire::{
    ConnectRequest, ConnectResponse, DecodeError, Intake, Message, Payload, frame, h2, preamble,
};
use bytes::{Bytes, BytesMut};

/// Reads the preamble of a stream.
pub(crate) fn preamble(bytes: &[u8]) {
    let mut intake = Intake::from(Bytes::copy_from_slice(bytes));
    match preamble::take(&mut intake) {
        Ok(Some(kind)) => {
            let mut out = BytesMut::new();
            preamble::put(kind, &mut out);
            assert!(bytes.starts_with(&out[..6]));
        }
        Ok(None) => assert!(bytes.len() < 8, "{:?}", preamble::ended(&intake)),
        Err(error) => assert_eq!(
            error,
            DecodeError::Signature(bytes[..6].try_into().expect("six bytes"))
        ),
    }
}

/// Reads both heads of a data stream, at once and in pieces, and writes what was read.
pub(crate) fn connect(bytes: &[u8]) {
    let at_once = request(bytes, bytes.len());
    assert_eq!(at_once, request(bytes, 7), "in pieces");
    if let Ok(Some(request)) = at_once {
        drop(TcpHead::read(&request.metadata));
        drop(HttpHead::read(request));
    }
    let mut intake = Intake::from(Bytes::copy_from_slice(bytes));
    if let Ok(Some(response)) = ConnectResponse::take(&mut intake) {
        let mut out = BytesMut::new();
        if response.put(&mut out).is_ok() {
            let mut again = Intake::from(out.split_off(8).freeze());
            assert_eq!(ConnectResponse::take(&mut again), Ok(Some(response)));
        }
    }
}

fn request(bytes: &[u8], chunk: usize) -> Result<Option<ConnectRequest>, DecodeError> {
    let mut intake = Intake::new();
    for chunk in bytes.chunks(chunk.max(1)) {
        intake.push(Bytes::copy_from_slice(chunk));
        if let Some(request) = ConnectRequest::take(&mut intake)? {
            return Ok(Some(request));
        }
    }
    drop(frame::ended(&intake));
    Ok(None)
}

/// Reads serialised header fields and serialises them again.
pub(crate) fn blob(bytes: &[u8]) {
    if let Ok(fields) = h2::deserialize(bytes) {
        let pairs = || fields.iter().map(|field| (&field.name[..], &field.value[..]));
        let again = h2::deserialize(&h2::serialize(pairs()));
        assert_eq!(again.as_ref(), Ok(&fields));
        let sorted = h2::ResponseFields::sort(pairs());
        h2::deserialize(&sorted.serialized).expect("what was just written");
        h2::flushes(h2::Purpose::Http, pairs());
    }
}

/// Reads the envelopes of calls, and their contents as every kind of content.
pub(crate) fn rpc(bytes: &[u8]) {
    let mut intake = Intake::from(Bytes::copy_from_slice(bytes));
    while let Ok(Some(message)) = Message::take(&mut intake) {
        match Envelope::read(&message) {
            Ok(Envelope::Call(call)) => contents(&call.params),
            Ok(Envelope::Return(returned)) => {
                if let Outcome::Results(results) = returned.outcome {
                    contents(&results);
                }
            }
            // Nothing is told to a peer whose messages lead nowhere.
            Err(_) => (),
            Ok(_) => {
                let mut out = BytesMut::new();
                put_unimplemented(&message, &mut out).expect("no larger than what was read");
                let echo = Message::take(&mut Intake::from(out.freeze())).expect("a message");
                // Far pointers into the only segment are legal, but wrong once they are moved.
                drop(Envelope::read(&echo.expect("a whole one")));
            }
        }
    }
}

fn contents(payload: &Payload) {
    drop(payload.capability());
    drop(Register::read(payload));
    drop(Registered::read(payload));
    drop(LocalConfiguration::read(payload));
    drop(Update::read(payload));
    drop(Applied::read(payload));
    drop(Open::read(payload));
    drop(Opened::read(payload));
    drop(Close::read(payload));
}
