//! Requests as origins saw them, taken apart: head, framing, body.

/// Requests that one connection brought.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// The lines of the head, without those that frame the body.
    pub(crate) head: Vec<String>,
    pub(crate) framing: Framing,
    pub(crate) body: String,
}

/// How a body is framed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    None,
    Length(usize),
    Chunked,
}

/// Takes apart what was received; what follows the last request is the body of that.
pub(crate) fn messages(mut received: &str) -> Vec<Message> {
    let mut messages = Vec::new();
    while let Some((head, rest)) = received.split_once("\r\n\r\n") {
        let mut framing = Framing::None;
        let mut lines = Vec::new();
        for line in head.split("\r\n") {
            if let Some(length) = line.strip_prefix("Content-Length: ") {
                framing = Framing::Length(length.parse().unwrap_or(0));
            } else if line == "Transfer-Encoding: chunked" {
                framing = Framing::Chunked;
            } else {
                lines.push(line.to_owned());
            }
        }
        let (body, rest) = match framing {
            Framing::Length(length) => rest.split_at(length.min(rest.len())),
            Framing::None => match rest.find(" HTTP/1.1\r\n") {
                Some(_) => ("", rest),
                None => (rest, ""),
            },
            Framing::Chunked => {
                let (body, rest) = unchunked(rest);
                messages.push(Message {
                    head: lines,
                    framing,
                    body,
                });
                received = rest;
                continue;
            }
        };
        messages.push(Message {
            head: lines,
            framing,
            body: body.to_owned(),
        });
        received = rest;
    }
    messages
}

fn unchunked(mut rest: &str) -> (String, &str) {
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let Ok(size) = usize::from_str_radix(size, 16) else {
            break;
        };
        if size == 0 {
            return (body, after.split_once("\r\n").map_or("", |(_, rest)| rest));
        }
        body.push_str(after.get(..size).unwrap_or(after));
        rest = after.get(size + 2..).unwrap_or_default();
    }
    (body, "")
}
