//! One follower of the live log, over a WebSocket.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::order::{Misunderstood, Order};
use crate::tail::{Entry, Feed, Following, Taken};
use crate::websocket::{self, Message, Reader};

/// How often the follower is asked for a sign of life.
const LIFE: Duration = Duration::from_secs(15);

/// How long a session may last without following.
const IDLE: Duration = Duration::from_secs(300);

/// The code that ends a conversation by mutual consent.
const NORMAL: u16 = 1000;

/// Somebody else follows.
const TAKEN: u16 = 4002;

/// The session has done nothing for long.
const IDLED: u16 = 4003;

/// Why a session ends.
enum End {
    /// The other side is gone, or has been told enough.
    Silent,
    /// With a goodbye.
    Close(u16, String),
}

/// A session with one follower.
pub(crate) struct Session {
    pub(crate) feed: Arc<Feed>,
    pub(crate) actor: String,
    pub(crate) stream: DuplexStream,
}

impl Session {
    /// Serves the follower to the end.
    pub(crate) async fn run(mut self) {
        if let Err(End::Close(code, reason)) = self.converse().await
            && self.send(&websocket::close(code, &reason)).await.is_ok()
            && let Err(error) = self.stream.shutdown().await
        {
            tracing::debug!(%error, "follower left before the goodbye");
        }
    }

    /// Goes on until there is a reason to end.
    async fn converse(&mut self) -> Result<(), End> {
        let mut reader = Reader::default();
        let mut following: Option<Following> = None;
        let mut life = interval(LIFE);
        life.set_missed_tick_behavior(MissedTickBehavior::Delay);
        life.reset();
        let mut idle = Instant::now() + IDLE;
        let mut bytes = vec![0; 4096];
        loop {
            tokio::select! {
                read = self.stream.read(&mut bytes) => {
                    match read {
                        Ok(length) if length > 0 => reader.feed(&bytes[..length]),
                        Ok(_) | Err(_) => return Err(End::Silent),
                    }
                    while let Some(message) = reader.next()? {
                        self.obey(message, &mut following).await?;
                    }
                    idle = Instant::now() + IDLE;
                }
                entry = next(&mut following) => self.tell(&entry?).await?,
                _ = life.tick() => self.send(&websocket::ping()).await?,
                () = sleep_until(idle), if following.is_none() => {
                    return Err(End::Close(IDLED, "session was idle for too long".into()));
                }
            }
        }
    }

    async fn obey(&mut self, message: Message, following: &mut Option<Following>) -> Result<(), End> {
        match message {
            Message::Close(code) => Err(End::Close(code.unwrap_or(NORMAL), String::new())),
            Message::Ping(payload) => self.send(&websocket::pong(&payload)).await,
            Message::Pong => Ok(()),
            Message::Binary => Err(Misunderstood::binary().into()),
            Message::Text(text) => match Order::read(&text)? {
                Order::Stop => {
                    *following = None;
                    Ok(())
                }
                Order::Start(filter) => {
                    *following = Some(self.feed.follow(&self.actor, filter)?);
                    Ok(())
                }
            },
        }
    }

    async fn tell(&mut self, entry: &Entry) -> Result<(), End> {
        let logs = crate::diagnostics::json(&Logs {
            kind: "logs",
            logs: [entry],
        });
        self.send(&websocket::text(&logs)).await
    }

    async fn send(&mut self, frame: &[u8]) -> Result<(), End> {
        self.stream.write_all(frame).await.map_err(|_| End::Silent)
    }
}

/// What a follower is told.
#[derive(Serialize)]
struct Logs<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    logs: [&'a Entry; 1],
}

/// Waits for an entry to show; for ever where nobody follows.
async fn next(following: &mut Option<Following>) -> Result<Entry, End> {
    let Some(following) = following else {
        return std::future::pending().await;
    };
    tokio::select! {
        () = following.cut.cancelled() => Err(End::Silent),
        entry = following.entries.recv() => entry.ok_or(End::Silent),
    }
}

impl From<websocket::Broken> for End {
    fn from(broken: websocket::Broken) -> Self {
        Self::Close(broken as u16, String::new())
    }
}

impl From<Misunderstood> for End {
    fn from(misunderstood: Misunderstood) -> Self {
        Self::Close(misunderstood.code, misunderstood.reason)
    }
}

impl From<Taken> for End {
    fn from(_: Taken) -> Self {
        Self::Close(TAKEN, "limit exceeded for streaming sessions".into())
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("actor", &self.actor)
            .finish_non_exhaustive()
    }
}
