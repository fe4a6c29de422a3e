//! Undoes the compression that was offered in a visitor's place.

use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use adit_exchange::{Body, BodyError, Headers};
use bytes::{Buf, Bytes};
use flate2::write::MultiGzDecoder;
use http_body::Frame;

/// Compressed bytes that are decoded at once: a byte may become a thousand, and what is decoded
/// is held until it is sent.
const STEP: usize = 1024;

/// Decodes `body` if `headers` say that it is compressed, and takes out what they say about it.
pub(crate) fn decoded(headers: &mut Headers, body: Body) -> Body {
    let mut encodings = headers.all(b"Content-Encoding");
    let is_gzip = encodings
        .next()
        .is_some_and(|value| value.eq_ignore_ascii_case(b"gzip"));
    drop(encodings);
    if !is_gzip || http_body::Body::is_end_stream(&body) {
        return body;
    }
    headers.remove("Content-Encoding");
    headers.remove("Content-Length");
    Body::stream(Gunzip {
        body,
        waiting: Bytes::new(),
        decoder: Some(MultiGzDecoder::new(Vec::new())),
        started: false,
    })
}

struct Gunzip {
    body: Body,
    /// Compressed bytes not yet decoded.
    waiting: Bytes,
    /// Nothing once the end was reached.
    decoder: Option<MultiGzDecoder<Vec<u8>>>,
    started: bool,
}

impl Gunzip {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            let Some(decoder) = &mut self.decoder else {
                return Poll::Ready(None);
            };
            if self.waiting.is_empty() {
                match ready!(self.body.poll_data(cx)) {
                    Some(Ok(data)) => self.waiting = data,
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None => return Poll::Ready(self.finish()),
                }
                continue;
            }
            let step = self.waiting.len().min(STEP);
            if decoder.write_all(&self.waiting[..step]).is_err() {
                let text = if self.started {
                    "flate: corrupt input"
                } else {
                    "gzip: invalid header"
                };
                return Poll::Ready(Some(Err(BodyError::new(text))));
            }
            self.waiting.advance(step);
            let decoded = std::mem::take(decoder.get_mut());
            if !decoded.is_empty() {
                self.started = true;
                return Poll::Ready(Some(Ok(Bytes::from(decoded))));
            }
        }
    }

    fn finish(&mut self) -> Option<Result<Bytes, BodyError>> {
        let decoder = self.decoder.take()?;
        match decoder.finish() {
            Ok(rest) if rest.is_empty() => None,
            Ok(rest) => Some(Ok(Bytes::from(rest))),
            Err(_) => Some(Err(BodyError::new("unexpected EOF"))),
        }
    }
}

impl http_body::Body for Gunzip {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let next = ready!(self.get_mut().poll_data(cx));
        Poll::Ready(next.map(|data| data.map(Frame::data)))
    }
}
