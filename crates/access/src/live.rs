//! The live log of a connector, as the management service hands it on.

mod entry;

use std::time::Duration;

use adit_config::Secret;
use adit_dial::{Connection, Environment, Way};
use adit_dialect::json::{Document, Value, Writer};
use futures_util::{SinkExt, StreamExt};
use http::{Request, Response};
use thiserror::Error;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error as WebsocketError, Message};

use crate::address::Address;
use crate::error::JwtError;
use crate::jwt::Jwt;

pub use entry::Entry;

/// How long opening may take.
const LIMIT: Duration = Duration::from_secs(30);

/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// How management tokens are signed.
const ES256: &str = "ES256";

/// Who issues tokens for the separate cloud of the United States' government, and where that is.
const FEDRAMP_ISSUER: &str = "fed-tunnelstore";
const FEDRAMP_HOST: &str = "management.fed.argotunnel.com";

/// Whose log is to be seen.
#[derive(Clone, Debug)]
pub struct Question {
    /// Where the management service is.
    pub host: String,
    /// What lets the user in.
    pub token: Secret<String>,
    /// One connector of several.
    pub connector: Option<String>,
    /// The id of a trace; empty for none.
    pub trace: String,
    /// What the service is told of the program.
    pub agent: String,
}

/// What of the log is to be seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Filters {
    /// The kinds of events; none for all.
    pub events: Vec<String>,
    /// From which level on; empty for all.
    pub level: String,
    /// Which share of the events.
    pub sampling: f64,
}

/// A log that is being followed.
pub struct Live(WebSocketStream<Connection>);

/// Why there is no log, or no more of it.
#[derive(Debug, Error)]
pub enum LiveError {
    /// The token lets nobody in.
    #[error("malformed jwt: {0}")]
    Token(#[from] JwtError),
    /// The token is for something else.
    #[error("invalid management token format provided")]
    Claims,
    /// The service does not open the log.
    #[error("unable to start management log streaming session: http response code returned {status}")]
    Refused {
        /// The status.
        status: u16,
        /// Why.
        body: Vec<u8>,
    },
    /// The service cannot be reached.
    #[error("{0}")]
    Unreachable(String),
    /// The service says something that is not understood.
    #[error("invalid server message type was provided: {0}")]
    Unknown(String),
    /// The service says something that is no message.
    #[error("{0}")]
    Malformed(String),
    /// The service has left.
    #[error("({code}) {reason}")]
    Left {
        /// The code of its farewell.
        code: u16,
        /// Its reason.
        reason: String,
    },
    /// The connection broke.
    #[error("{0}")]
    Broken(String),
}

/// Returns the host of the management service that a token is for.
///
/// # Errors
///
/// Fails when the token is none of a connector's log.
pub fn host(token: &str, default: &str) -> Result<String, LiveError> {
    let token = Jwt::parse(token, ES256)?;
    let given = |claim, name| token.text_in(claim, name).is_some_and(|text| !text.is_empty());
    if !(given("tun", "id") && given("tun", "account_tag") && given("actor", "id")) {
        return Err(LiveError::Claims);
    }
    let fedramp = token.text("iss").is_some_and(|issuer| issuer == FEDRAMP_ISSUER);
    Ok(if fedramp { FEDRAMP_HOST } else { default }.to_owned())
}

impl LiveError {
    /// Returns the reasons that the service gives for refusing; nothing if it gives none in the way
    /// that is agreed on.
    #[must_use]
    pub fn reasons(&self) -> Option<Vec<String>> {
        let Self::Refused { body, .. } = self else {
            return None;
        };
        let document = Document::parse(body).ok()?;
        let errors = document.root().get("errors").into_iter().flat_map(Value::items);
        let reason = |error: Value<'_>| {
            let code = error.get("code").and_then(Value::as_number).unwrap_or_default();
            let message = error.get("message").and_then(Value::as_str).unwrap_or_default();
            format!("({code}) {message}")
        };
        Some(errors.map(reason).collect())
    }
}

impl Live {
    /// Opens the log and asks for what the filters let through.
    ///
    /// # Errors
    ///
    /// Fails when the service cannot be reached or refuses.
    pub async fn open(
        proxies: Environment,
        question: &Question,
        filters: &Filters,
    ) -> Result<Self, LiveError> {
        let told = |reason: String| LiveError::Unreachable(reason);
        let address = Address::read(&format!("https://{}/logs", question.host));
        let address = address.map_err(|error| told(error.to_string()))?;
        let request = question
            .request(&address)
            .map_err(|error| told(error.to_string()))?;
        let way = Way::new(proxies);
        let opening = async {
            let stream = way.open(&address.place()).await;
            let stream = stream.map_err(|failure| told(failure.cause))?;
            let opened = tokio_tungstenite::client_async_with_config(request, stream, None).await;
            opened.map(|(stream, _)| stream).map_err(refused)
        };
        let late = || told("the management service does not answer".into());
        let stream = tokio::time::timeout(LIMIT, opening).await.map_err(|_| late())??;
        let mut live = Self(stream);
        let order = Message::Text(filters.order().into());
        live.0
            .send(order)
            .await
            .map_err(|error| LiveError::Broken(error.to_string()))?;
        Ok(live)
    }

    /// Waits for the next lines; nothing when the service has left in peace.
    ///
    /// # Errors
    ///
    /// Fails when there will be no more.
    pub async fn next(&mut self) -> Result<Option<Vec<Entry>>, LiveError> {
        loop {
            let broken = |reason: &dyn std::fmt::Display| LiveError::Broken(reason.to_string());
            let message = self.0.next().await.ok_or_else(|| broken(&"EOF"))?;
            match message.map_err(|error| broken(&error))? {
                Message::Text(text) => return entry::read(&text).map(Some),
                Message::Binary(bytes) => return entry::read(&bytes).map(Some),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
                Message::Close(None) => {
                    return Err(LiveError::Left {
                        code: 1005,
                        reason: String::new(),
                    });
                }
                Message::Close(Some(frame)) if frame.code == CloseCode::Normal => return Ok(None),
                Message::Close(Some(frame)) => {
                    return Err(LiveError::Left {
                        code: frame.code.into(),
                        reason: frame.reason.to_string(),
                    });
                }
            }
        }
    }

    /// Takes leave, in peace or because of what the service said.
    pub async fn leave(mut self, peacefully: bool) {
        let (code, reason) = if peacefully {
            (CloseCode::Normal, "")
        } else {
            (CloseCode::Error, "management connection was closed abruptly")
        };
        let frame = CloseFrame {
            code,
            reason: reason.into(),
        };
        let leave = async {
            if let Err(error) = self.0.close(Some(frame)).await {
                tracing::debug!(%error, "the service has taken leave first");
            }
            // Its farewell is returned while reading.
            while let Some(Ok(_)) = self.0.next().await {}
        };
        match tokio::time::timeout(GOODBYE, leave).await {
            // Whoever does not return a farewell has left already.
            Ok(()) | Err(_) => {}
        }
    }
}

impl std::fmt::Debug for Live {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Live")
    }
}

impl Question {
    fn request(&self, address: &Address) -> Result<Request<()>, http::Error> {
        let address = address.with_query(|query| {
            query.set("access_token", self.token.expose());
            if let Some(connector) = &self.connector {
                query.set("connector_id", connector);
            }
        });
        let mut request = Request::builder()
            .uri(format!("wss://{}{}", address.authority(), address.target()))
            .header("Host", address.authority())
            .header("User-Agent", &self.agent)
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", generate_key());
        if !self.trace.is_empty() {
            request = request.header("cf-trace-id", &self.trace);
        }
        request.body(())
    }
}

impl Filters {
    /// Returns the message that starts the log.
    fn order(&self) -> String {
        let mut writer = Writer::new();
        writer.begin_object().key("type").string("start_streaming");
        writer.key("filters").begin_object();
        if !self.events.is_empty() {
            writer.key("events").begin_array();
            for event in &self.events {
                writer.string(event);
            }
            writer.end_array();
        }
        if !self.level.is_empty() {
            writer.key("level").string(&self.level);
        }
        writer.key("sampling").float(self.sampling);
        writer.end_object().end_object();
        writer.finish()
    }
}

fn refused(error: WebsocketError) -> LiveError {
    let WebsocketError::Http(response) = error else {
        return LiveError::Unreachable(error.to_string());
    };
    let (head, body) = Response::into_parts(*response);
    LiveError::Refused {
        status: head.status.as_u16(),
        body: body.unwrap_or_default(),
    }
}
