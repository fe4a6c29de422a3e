//! Bytes between a stream and a WebSocket.

use std::time::Duration;

use adit_dial::Connection;
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// Bytes that travel in one message at most.
const LARGEST: usize = 16 << 10;

/// How long an application may be silent after the user has nothing more to say. A WebSocket cannot
/// be closed in one direction only, and an answer may still be on its way.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// An open WebSocket.
pub struct Websocket(WebSocketStream<Connection>);

type Sink = SplitSink<WebSocketStream<Connection>, Message>;
type Stream = SplitStream<WebSocketStream<Connection>>;

impl Websocket {
    pub(crate) const fn of(stream: WebSocketStream<Connection>) -> Self {
        Self(stream)
    }

    /// Carries bytes both ways until the application or the reader of its bytes leaves, or until
    /// both have nothing more to say.
    pub async fn relay(self, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
        let (mut sink, mut stream) = self.0.split();
        let over = {
            let mut down = std::pin::pin!(receive(&mut stream, &mut to, None));
            tokio::select! {
                () = &mut down => true,
                () = send(&mut from, &mut sink) => false,
            }
        };
        if !over {
            receive(&mut stream, &mut to, Some(PATIENCE)).await;
        }
        goodbye(&mut sink, &mut stream).await;
    }
}

impl std::fmt::Debug for Websocket {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Websocket")
    }
}

/// Sends what the user says until that ends, or nobody takes it.
async fn send(from: &mut (impl AsyncRead + Unpin), sink: &mut Sink) {
    let mut buffer = vec![0; LARGEST];
    loop {
        let count = match from.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => count,
        };
        let message = Message::Binary(Bytes::copy_from_slice(&buffer[..count]));
        if sink.send(message).await.is_err() {
            return;
        }
    }
}

/// Writes what the application says until it leaves, is silent for too long, or nobody reads it.
async fn receive(stream: &mut Stream, to: &mut (impl AsyncWrite + Unpin), patience: Option<Duration>) {
    loop {
        let next = match patience {
            Some(patience) => tokio::time::timeout(patience, stream.next())
                .await
                .unwrap_or(None),
            None => stream.next().await,
        };
        let bytes = match next {
            Some(Ok(Message::Binary(bytes))) => bytes,
            Some(Ok(Message::Text(text))) => text.into(),
            // Pings are answered, and a farewell returned, by the library.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
            Some(Ok(Message::Close(_)) | Err(_)) | None => return,
        };
        let written = async {
            to.write_all(&bytes).await?;
            to.flush().await
        };
        if written.await.is_err() {
            return;
        }
    }
}

/// Takes leave, or lets the library return the farewell of the application.
async fn goodbye(sink: &mut Sink, stream: &mut Stream) {
    let frame = CloseFrame {
        code: CloseCode::Normal,
        reason: "".into(),
    };
    let leave = async {
        if let Err(error) = sink.send(Message::Close(Some(frame))).await {
            tracing::debug!(%error, "the application has taken leave first");
        }
        // Its farewell is returned while reading.
        while let Some(Ok(_)) = stream.next().await {}
    };
    match tokio::time::timeout(GOODBYE, leave).await {
        // Whoever does not return a farewell has left already.
        Ok(()) | Err(_) => {}
    }
}
