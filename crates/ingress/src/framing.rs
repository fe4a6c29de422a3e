//! Sans-IO. How the body of a request is framed towards an HTTP/1.1 origin.

use std::time::Duration;

use adit_exchange::Framing;

use crate::h1::request::Sent;

/// How long a body whose existence is unknown may take to show itself.
///
/// The reference implementation gives undeclared HTTP/2 bodies the same time.
const PATIENCE: Duration = Duration::from_millis(200);

/// What to do about a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Frame it like this.
    Send(Sent),
    /// Look whether there is one.
    Look {
        /// For at most this long; nothing is just now.
        limit: Option<Duration>,
        /// The framing if it shows nothing but stays open.
        silent: Sent,
    },
}

/// Decides what to do about the body of a request with this method.
///
/// A body that is declared is sent as declared. Of an undeclared one nothing is lost that a method
/// with a meaning for bodies could carry: those wait for its first byte or its end and are sent in
/// chunks when neither comes. A method without such a meaning never waits: if its stream is silent
/// it is sent without a body, and what may come later has no place in a request that has been sent
/// and is dropped.
pub(crate) fn plan(method: &[u8], framing: Framing) -> Plan {
    match framing {
        Framing::Ended | Framing::Length(0) => Plan::Send(none(method)),
        Framing::Length(length) => Plan::Send(Sent::Length(length)),
        Framing::Streamed if method == b"CONNECT" => Plan::Send(Sent::Raw),
        Framing::Streamed if is_probed(method) => Plan::Look {
            limit: Some(PATIENCE),
            silent: Sent::Chunked,
        },
        Framing::Streamed => Plan::Send(Sent::Chunked),
        Framing::Undeclared if is_bodiless(method) => Plan::Look {
            limit: None,
            silent: none(method),
        },
        Framing::Undeclared => Plan::Look {
            limit: Some(PATIENCE),
            silent: Sent::Chunked,
        },
    }
}

/// Returns how a request with this method says that it has no body.
pub(crate) const fn none(method: &[u8]) -> Sent {
    match method {
        b"POST" | b"PUT" | b"PATCH" => Sent::Zero,
        _ => Sent::None,
    }
}

/// Methods whose streamed body is looked for before it is announced.
const fn is_probed(method: &[u8]) -> bool {
    matches!(
        method,
        b"GET" | b"HEAD" | b"DELETE" | b"OPTIONS" | b"PROPFIND" | b"SEARCH"
    )
}

/// Methods that give a body no meaning.
const fn is_bodiless(method: &[u8]) -> bool {
    matches!(
        method,
        b"GET" | b"HEAD" | b"DELETE" | b"OPTIONS" | b"TRACE" | b"CONNECT"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_framed_by_method_and_declaration() {
        let look = |limit: bool, silent| Plan::Look {
            limit: limit.then_some(PATIENCE),
            silent,
        };
        let rows = [
            ("GET", Framing::Ended, Plan::Send(Sent::None)),
            ("POST", Framing::Ended, Plan::Send(Sent::Zero)),
            ("POST", Framing::Length(0), Plan::Send(Sent::Zero)),
            ("GET", Framing::Length(0), Plan::Send(Sent::None)),
            ("GET", Framing::Length(5), Plan::Send(Sent::Length(5))),
            ("POST", Framing::Streamed, Plan::Send(Sent::Chunked)),
            ("GET", Framing::Streamed, look(true, Sent::Chunked)),
            ("get", Framing::Streamed, Plan::Send(Sent::Chunked)),
            ("CONNECT", Framing::Streamed, Plan::Send(Sent::Raw)),
            ("GET", Framing::Undeclared, look(false, Sent::None)),
            ("POST", Framing::Undeclared, look(true, Sent::Chunked)),
            ("REPORT", Framing::Undeclared, look(true, Sent::Chunked)),
        ];
        for (method, framing, expect) in rows {
            assert_eq!(plan(method.as_bytes(), framing), expect, "{method} {framing:?}");
        }
    }
}
