//! Tells visitors why they got no answer, where the operator wants them to know.
//!
//! Only the class is told: names, addresses and files of this side stay here.

use adit_exchange::{Body, Class, Headers, Refusal, Reply, Response};

/// Header field with the [`Class`] of a failure.
const FAILURE: &str = "Adit-Failure";

/// What the edge would answer by itself.
const BAD_GATEWAY: u16 = 502;

/// Returns the answer that stands for a refusal.
pub(crate) fn answer(refusal: &Refusal) -> Reply {
    let response = Response {
        status: BAD_GATEWAY,
        wording: None,
        headers: Headers::new(),
        body: Body::empty(),
    };
    named(Reply::Response(response), refusal.class)
}

/// Adds the class of the failure that an answer of this side is about.
pub(crate) fn named(mut reply: Reply, class: Class) -> Reply {
    if let Reply::Response(response) = &mut reply {
        response.headers.append(FAILURE, class.name());
    }
    reply
}
