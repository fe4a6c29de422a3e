//! A fixed status (`http_status:404`).

use adit_exchange::{Body, Class, Headers, Refusal, Reply, Response};

/// Returns the reply with this status: no headers, no body.
///
/// # Errors
///
/// Refuses informational statuses: nothing follows them, so they cannot be an answer.
pub(crate) fn reply(status: u16) -> Result<Reply, Refusal> {
    if status < 200 {
        let text = format!("http_status:{status} is no status that a request can end with");
        return Err(Refusal::new(Class::Internal, text));
    }
    Ok(Reply::Response(Response {
        status,
        headers: Headers::new(),
        body: Body::empty(),
    }))
}
