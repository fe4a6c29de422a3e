//! Every public name, on this machine, saying what it was recorded to say.

use std::io::{self, Read, Write};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use adit_vectors::service::{self, Seen, answer};
use rustls::{ServerConnection, StreamOwned};
use serde_json::Value;

use crate::command;
use crate::tokens::{Tokens, seal};
use crate::websocket::{self, Frames};

/// What was said in WebSockets, by the number of the request.
#[derive(Default)]
struct Said {
    frames: Mutex<(usize, Vec<(usize, Frames)>)>,
    /// Tells that one has ended; the number above says how many have not.
    ended: Condvar,
}

/// The service.
pub(crate) struct Service {
    inner: service::Service,
    said: Arc<Said>,
}

impl Service {
    /// Starts the service; returns it with the certificate that it shows.
    pub(crate) fn start(case: &Value, tokens: &Arc<Tokens>) -> (Self, String) {
        let script = case["script"].as_array().cloned().unwrap_or_default();
        let (listener, config, authority) = command::public();
        let accept = move |stream| {
            let connection = ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
            Ok(StreamOwned::new(connection, stream))
        };
        let said = Arc::<Said>::default();
        let (tokens, saying) = (Arc::clone(tokens), Arc::clone(&said));
        let reply = move |stream: &mut StreamOwned<_, _>, index, request: &Seen| {
            let Some(answer) = answer(&script, index) else {
                return Ok(false);
            };
            if let Some(steps) = answer["ws"].as_array() {
                saying.frames.lock().unwrap_or_else(PoisonError::into_inner).0 += 1;
                let mut frames = Frames::default();
                let played = play(stream, &tokens, request, steps, &mut frames);
                let mut all = saying.frames.lock().unwrap_or_else(PoisonError::into_inner);
                all.0 -= 1;
                all.1.push((index, frames));
                saying.ended.notify_all();
                return played.map(|()| false);
            }
            stream
                .write_all(&response(&tokens, request, &answer))
                .map(|()| true)
        };
        let inner = service::Service::start(listener, accept, reply);
        (Self { inner, said }, authority)
    }

    /// Returns the requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.inner.seen()
    }

    /// Returns what was said in WebSockets; the program has ended, so they will.
    pub(crate) fn frames(&self) -> Vec<(usize, Frames)> {
        let frames = self.said.frames.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = self.said.ended.wait_while(frames, |(open, _)| *open > 0);
        ended.unwrap_or_else(PoisonError::into_inner).1.clone()
    }
}

fn play(
    stream: &mut (impl Read + Write),
    tokens: &Tokens,
    request: &Seen,
    steps: &[Value],
    frames: &mut Frames,
) -> io::Result<()> {
    let key = request.header("sec-websocket-key").unwrap_or_default();
    websocket::play(stream, key, steps, &|text| tokens.fill(text), frames)
}

fn response(tokens: &Tokens, request: &Seen, answer: &Value) -> Vec<u8> {
    let status = answer["status"].as_u64().unwrap_or(200);
    let mut head = format!("HTTP/1.1 {status} X\r\n");
    let mut body = tokens.fill(answer["body"].as_str().unwrap_or_default());
    if let Some(keys) = answer["jwks"].as_array() {
        body = tokens.set(keys);
    }
    if let Some(sealed) = answer.get("transfer") {
        let text = sealed.as_str().map_or_else(|| sealed.to_string(), str::to_owned);
        let key = request.path.rsplit('/').next().unwrap_or_default();
        let (message, own) = seal(&tokens.fill(&text), key, answer["corrupt"] == true);
        body = message;
        if answer["nokey"] != true {
            head.push_str(&format!("service-public-key: {own}\r\n"));
        }
    }
    for (name, value) in answer["headers"].as_object().into_iter().flatten() {
        let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        for value in values {
            let value = tokens.fill(value.as_str().unwrap_or_default());
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    if request.method == "HEAD" {
        body.clear();
    }
    (head + &body).into_bytes()
}
