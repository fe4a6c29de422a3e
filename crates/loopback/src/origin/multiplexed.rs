//! An origin that speaks HTTP/2 and tells what it is asked.

use std::io;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// A request that an origin has been asked over HTTP/2, to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// Scheme, authority and path as one.
    pub target: String,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Whether the head said already that there is none.
    pub ended_with_head: bool,
    /// What followed the body.
    pub trailers: Option<HeaderMap>,
}

/// Answers every request of a connection with 200 and no body, and tells of each, until the other
/// side has enough.
///
/// # Errors
///
/// Fails when the other side breaks the protocol.
pub async fn multiplexed<S>(io: S, told: mpsc::Sender<Asked>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut connection = h2::server::handshake(io).await.map_err(io::Error::other)?;
    let mut requests = JoinSet::new();
    while let Some(request) = connection.accept().await {
        let (request, mut answer) = request.map_err(io::Error::other)?;
        let told = told.clone();
        requests.spawn(async move {
            if let Ok(asked) = receive(request).await {
                // Whoever asked may not be interested in what arrived.
                let _told = told.send(asked).await;
                // A visitor who has left needs no answer.
                let _answered = answer.send_response(Response::new(()), true);
            }
        });
        while requests.try_join_next().is_some() {}
    }
    Ok(())
}

async fn receive(request: Request<h2::RecvStream>) -> Result<Asked, h2::Error> {
    let (parts, mut stream) = request.into_parts();
    let ended_with_head = stream.is_end_stream();
    let mut body = BytesMut::new();
    while let Some(chunk) = stream.data().await {
        let chunk = chunk?;
        stream.flow_control().release_capacity(chunk.len())?;
        body.extend_from_slice(&chunk);
    }
    Ok(Asked {
        method: parts.method.to_string(),
        target: parts.uri.to_string(),
        headers: parts.headers,
        body: body.freeze(),
        ended_with_head,
        trailers: stream.trailers().await?,
    })
}
