//! Plays the public internet: sends requests into the tunnel and hears the answers.

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use crate::answer::Head;
use crate::error::StreamError;
use crate::link::Link;
use crate::request::{Body, Request, Target};
use crate::roster::Roster;
use crate::stream::{Incoming, Outgoing};
use crate::tasks::Tasks;

/// Sends requests through the registered connections, each in turn.
#[derive(Clone, Debug)]
pub struct Visitor {
    roster: Arc<Roster>,
    tasks: Tasks,
}

/// The answer to a request. Dropping it is a visitor who leaves.
#[derive(Debug)]
pub struct Response {
    /// Status and header fields.
    pub head: Head,
    incoming: Incoming,
    upload: Upload,
}

/// A two-way stream that the connector has accepted or refused, as the head says.
#[derive(Debug)]
pub struct TwoWay {
    /// Status and header fields.
    pub head: Head,
    /// From the visitor to the origin.
    pub outgoing: Outgoing,
    /// From the origin to the visitor.
    pub incoming: Incoming,
}

/// The body of a request on its way; it ends with the visitor's interest.
#[derive(Debug)]
struct Upload(Option<(AbortHandle, oneshot::Receiver<Result<(), StreamError>>)>);

impl Visitor {
    pub(crate) const fn new(roster: Arc<Roster>, tasks: Tasks) -> Self {
        Self { roster, tasks }
    }

    /// Sends a request as the edge would: with the header fields that the edge adds.
    ///
    /// # Errors
    ///
    /// Fails when there is no answer, or one that the protocol forbids. A refusal of the connector
    /// is an answer: [`Head::refusal`] tells it.
    pub async fn visit(&self, request: Request) -> Result<Response, StreamError> {
        self.send(introduce(request, VISITOR)).await
    }

    /// Sends a request with exactly the header fields it has. One without body that a connector has not
    /// looked at because it leaves is sent to another.
    ///
    /// # Errors
    ///
    /// As [`Self::visit`].
    pub async fn send(&self, mut request: Request) -> Result<Response, StreamError> {
        let repeatable = request.body.is_over();
        loop {
            let link = self.roster.next().ok_or(StreamError::NoConnection)?;
            match send_on(link, &self.tasks, &mut request).await {
                Err(StreamError::Unseen(_)) if repeatable => tokio::task::yield_now().await,
                sent => return sent,
            }
        }
    }

    /// Opens a WebSocket or a TCP stream with exactly the header fields that the request has.
    ///
    /// # Errors
    ///
    /// As [`Self::visit`].
    pub async fn connect(&self, request: Request) -> Result<TwoWay, StreamError> {
        let link = self.roster.next().ok_or(StreamError::NoConnection)?;
        connect_on(link, request).await
    }
}

/// Sends a request on this connection.
pub(crate) async fn send_on(
    link: Arc<Link>,
    tasks: &Tasks,
    request: &mut Request,
) -> Result<Response, StreamError> {
    let prepared = link.prepare(request)?;
    let (mut outgoing, awaited) = link.open(prepared).await?;
    let body = std::mem::take(&mut request.body);
    let upload = if body.is_over() {
        // A connector that has answered already may have stopped reading.
        let _finished = outgoing.finish();
        Upload(None)
    } else {
        let (done, outcome) = oneshot::channel();
        let sending = tasks.start(async move {
            // Whoever left does not want to know.
            let _told = done.send(upload(body, outgoing).await);
        });
        Upload(Some((sending, outcome)))
    };
    let (head, incoming) = awaited.head().await?;
    Ok(Response {
        head,
        incoming,
        upload,
    })
}

/// Opens a two-way stream on this connection.
pub(crate) async fn connect_on(link: Arc<Link>, request: Request) -> Result<TwoWay, StreamError> {
    let prepared = link.prepare(&request)?;
    let (outgoing, awaited) = link.open(prepared).await?;
    let (head, incoming) = awaited.head().await?;
    Ok(TwoWay {
        head,
        outgoing,
        incoming,
    })
}

/// Sends a body to its end; when it breaks off, the connector sees the stream reset.
async fn upload(mut body: Body, mut outgoing: Outgoing) -> Result<(), StreamError> {
    while let Some(frame) = body.frame().await {
        match frame?.into_data() {
            Ok(data) => outgoing.send(data).await?,
            Err(frame) => return outgoing.finish_with(frame.into_trailers().unwrap_or_default()),
        }
    }
    outgoing.finish()
}

impl Response {
    /// Returns the status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.head.status
    }

    /// Returns a header field, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.head.value(name)?).ok()
    }

    /// Waits for the next bytes of the body; nothing means that it is over.
    ///
    /// # Errors
    ///
    /// Fails when the body breaks off.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, StreamError> {
        self.incoming.chunk().await
    }

    /// Waits for the trailers, after the body.
    ///
    /// # Errors
    ///
    /// Fails when the body breaks off.
    pub async fn trailers(&mut self) -> Result<Option<HeaderMap>, StreamError> {
        self.incoming.trailers().await
    }

    /// Waits for the whole body.
    ///
    /// # Errors
    ///
    /// Fails when the body breaks off.
    pub async fn bytes(&mut self) -> Result<Bytes, StreamError> {
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    /// Waits for the whole body, as text.
    ///
    /// # Errors
    ///
    /// Fails when the body breaks off.
    pub async fn text(&mut self) -> Result<String, StreamError> {
        let bytes = self.bytes().await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Waits for the whole body and returns how long it is and its SHA-256, without keeping it.
    ///
    /// # Errors
    ///
    /// Fails when the body breaks off.
    pub async fn sha256(&mut self) -> Result<(u64, String), StreamError> {
        let mut length = 0;
        let mut digest = Context::new(&SHA256);
        while let Some(chunk) = self.chunk().await? {
            length += chunk.len() as u64;
            digest.update(&chunk);
        }
        Ok((length, hex(digest.finish().as_ref())))
    }

    /// Waits until the request body is sent.
    ///
    /// # Errors
    ///
    /// Fails when the body broke off and when the connector did not take it to its end.
    pub async fn uploaded(&mut self) -> Result<(), StreamError> {
        let Some((_, outcome)) = &mut self.upload.0 else {
            return Ok(());
        };
        let outcome = outcome.await;
        self.upload.0 = None;
        outcome.unwrap_or_else(|_ended| Err(StreamError::Lost("the edge has ended".to_owned())))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some((sending, _)) = &self.0 {
            sending.abort();
        }
    }
}

/// Adds the header fields that the edge adds to a visitor's request.
pub(crate) fn introduce(request: Request, visitor: &str) -> Request {
    let (Target::Http(url) | Target::WebSocket(url)) = &request.target else {
        return request;
    };
    let scheme = url.scheme.clone();
    let ray = format!("{:016x}-LOC", fastrand::u64(..));
    let forwarded = match request.value("x-forwarded-for") {
        Some(earlier) => [earlier, b", ".as_slice(), visitor.as_bytes()].concat(),
        None => visitor.as_bytes().to_vec(),
    };
    let mut request = request;
    request.headers.retain(|(name, _)| {
        !EDGE_FIELDS
            .iter()
            .any(|own| name.eq_ignore_ascii_case(own.as_bytes()))
    });
    request
        .header("Cf-Ray", ray)
        .header("Cf-Connecting-Ip", visitor.to_owned())
        .header("Cf-Visitor", format!("{{\"scheme\":\"{scheme}\"}}"))
        .header("Cdn-Loop", "cloudflare; loops=1")
        .header("X-Forwarded-For", forwarded)
        .header("X-Forwarded-Proto", scheme)
}

/// Where visits come from that no real client makes.
const VISITOR: &str = "127.0.0.1";

/// What only the edge may say.
const EDGE_FIELDS: [&str; 6] = [
    "cf-ray",
    "cf-connecting-ip",
    "cf-visitor",
    "cdn-loop",
    "x-forwarded-for",
    "x-forwarded-proto",
];

/// Writes bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
