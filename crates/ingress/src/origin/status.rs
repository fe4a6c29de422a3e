//! A fixed status (`http_status:404`).

use adit_exchange::{Body, Class, Headers, Refusal, Reply, Response};

/// What is told when a service answers with a status that begins another protocol.
const UNSUPPORTED: &str = "internal error: unsupported connection type";

/// Returns the reply with this status: no headers, no body.
///
/// # Errors
///
/// Refuses informational statuses: nothing follows them, so they cannot be an answer.
pub(crate) fn reply(status: u16) -> Result<Reply, Refusal> {
    if status < 200 {
        return Err(Refusal::new(Class::Internal, UNSUPPORTED));
    }
    Ok(Reply::Response(Response {
        status,
        wording: None,
        headers: Headers::new(),
        body: Body::empty(),
    }))
}
