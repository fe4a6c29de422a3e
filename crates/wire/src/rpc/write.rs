//! Sans-IO. Writes the messages of a conversation.

use bytes::BytesMut;

use super::{
    ABORT, Address, BOOTSTRAP, CALL, EXCEPTION, FINISH, Finish, PROMISED, RELEASE, RESULTS, RETURN,
    SENDER_HOSTED, To, UNIMPLEMENTED,
};
use crate::builder::{Builder, Content, Object, Size};
use crate::{EncodeError, Message};

/// Asks for the main interface of the peer.
///
/// # Errors
///
/// Fails when no peer would read it.
pub fn put_bootstrap(question: u32, out: &mut BytesMut) -> Result<(), EncodeError> {
    envelope(out, BOOTSTRAP, (1, 1), |body| {
        body.number(0, &question.to_le_bytes());
    })
}

/// Calls a method.
///
/// # Errors
///
/// Fails when no peer would read it.
pub fn put_call(address: &Address, params: &dyn Content, out: &mut BytesMut) -> Result<(), EncodeError> {
    envelope(out, CALL, (3, 3), |call| {
        call.number(0, &address.question.to_le_bytes());
        call.number(4, &address.method.to_le_bytes());
        call.number(8, &address.interface.to_le_bytes());
        put_target(&mut call.object(0, (1, 1)), address.to);
        put_payload(&mut call.object(1, PAYLOAD), params);
    })
}

/// Answers a question with results.
///
/// # Errors
///
/// Fails when no peer would read it.
pub fn put_results(question: u32, results: &dyn Content, out: &mut BytesMut) -> Result<(), EncodeError> {
    put_return(question, RESULTS, out, |body| {
        put_payload(&mut body.object(0, PAYLOAD), results);
    })
}

/// Answers a bootstrap with the capability `export`.
///
/// # Errors
///
/// Fails when no peer would read it.
pub fn put_main(question: u32, export: u32, out: &mut BytesMut) -> Result<(), EncodeError> {
    put_return(question, RESULTS, out, |body| {
        let mut payload = body.object(0, PAYLOAD);
        payload.slot(0).capability(0);
        payload.structs(1, DESCRIPTOR, 1, |_, mut descriptor| {
            descriptor.number(0, &SENDER_HOSTED.to_le_bytes());
            descriptor.number(4, &export.to_le_bytes());
        });
    })
}

/// Answers a question with a failure.
///
/// # Errors
///
/// Fails when no peer would read it.
pub fn put_exception(question: u32, reason: &str, out: &mut BytesMut) -> Result<(), EncodeError> {
    put_return(question, EXCEPTION, out, |body| {
        body.object(0, EXCEPTION_SIZE).text(0, reason);
    })
}

/// Ends a question.
///
/// # Errors
///
/// Fails when no peer would read it.
pub fn put_finish(finish: Finish, out: &mut BytesMut) -> Result<(), EncodeError> {
    envelope(out, FINISH, (1, 0), |body| {
        body.number(0, &finish.question.to_le_bytes());
        body.bit(32, !finish.release);
    })
}

/// Gives references to a capability of the peer back.
///
/// # Errors
///
/// Fails when no peer would read it.
pub fn put_release(id: u32, count: u32, out: &mut BytesMut) -> Result<(), EncodeError> {
    envelope(out, RELEASE, (1, 0), |body| {
        body.number(0, &id.to_le_bytes());
        body.number(4, &count.to_le_bytes());
    })
}

/// Gives the conversation up.
///
/// # Errors
///
/// Fails when no peer would read it.
pub fn put_abort(reason: &str, out: &mut BytesMut) -> Result<(), EncodeError> {
    envelope(out, ABORT, EXCEPTION_SIZE, |body| body.text(0, reason))
}

/// Sends a message back that is not known here.
///
/// A message in several segments comes back as an empty one: its far pointers would be wrong. So
/// are those that a message of one segment has into itself, which nobody writes.
///
/// # Errors
///
/// Fails when no peer would read it.
pub fn put_unimplemented(message: &Message, out: &mut BytesMut) -> Result<(), EncodeError> {
    let mut builder = Builder::new(out);
    builder.root((1, 0)).number(0, &UNIMPLEMENTED.to_le_bytes());
    builder.adopt(message.only_segment().unwrap_or(&[0; 8]));
    builder.finish()
}

fn envelope(
    out: &mut BytesMut,
    kind: u16,
    size: Size,
    fill: impl FnOnce(&mut Object<'_, '_>),
) -> Result<(), EncodeError> {
    let mut message = Builder::new(out);
    let mut root = message.root((1, 1));
    root.number(0, &kind.to_le_bytes());
    fill(&mut root.object(0, size));
    message.finish()
}

fn put_return(
    question: u32,
    kind: u16,
    out: &mut BytesMut,
    fill: impl FnOnce(&mut Object<'_, '_>),
) -> Result<(), EncodeError> {
    envelope(out, RETURN, (2, 1), |body| {
        body.number(0, &question.to_le_bytes());
        body.bit(32, true);
        body.number(6, &kind.to_le_bytes());
        fill(body);
    })
}

fn put_target(target: &mut Object<'_, '_>, to: To) {
    match to {
        To::Export(id) => target.number(0, &id.to_le_bytes()),
        To::Answer(question) | To::Inside(question) => {
            target.number(4, &PROMISED.to_le_bytes());
            let mut promised = target.object(0, (1, 1));
            promised.number(0, &question.to_le_bytes());
            promised.structs(0, (1, 0), 0, |_, _| ());
        }
    }
}

fn put_payload(payload: &mut Object<'_, '_>, content: &dyn Content) {
    content.write(payload.slot(0));
    payload.structs(1, DESCRIPTOR, 0, |_, _| ());
}

const PAYLOAD: Size = (0, 2);
const DESCRIPTOR: Size = (1, 1);
const EXCEPTION_SIZE: Size = (1, 1);
