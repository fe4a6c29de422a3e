//! Opens WebSockets to an application, as which TCP travels.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use adit_config::Secret;
use adit_dial::{Failure, Place, TO_THE_PROXY};
use adit_dialect::header::canonical;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use tokio_tungstenite::tungstenite::Error as WebsocketError;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;

use crate::address::Address;
use crate::client::{Application, Client, asks_for_login};
use crate::error::Error;
use crate::relay::Websocket;

/// How long opening one may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Fields that belong to the WebSocket and not to the user.
const RESERVED: [&str; 6] = [
    "Upgrade",
    "Connection",
    "Host",
    "Sec-Websocket-Key",
    "Sec-Websocket-Version",
    "Sec-Websocket-Extensions",
];

/// How an application is reached.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it is.
    pub address: Address,
    /// Fields that are sent along, as the user wrote them.
    pub headers: Vec<Secret<String>>,
    /// What is behind it, if it is a bastion.
    pub destination: String,
    /// The id and the secret of a service token; empty for none.
    pub service_token: (String, Secret<String>),
    /// Where to connect to instead; empty for the address itself.
    pub connect_to: String,
}

/// Opens WebSockets to one application.
#[derive(Debug)]
pub struct Carrier {
    client: Arc<Client>,
    address: Address,
    /// Fields of the user, with all their values.
    fields: BTreeMap<String, Vec<Secret<String>>>,
    instead: Option<Instead>,
}

/// Another place to connect to.
#[derive(Debug)]
struct Instead {
    host: String,
    port: u16,
    /// The name in TLS; then certificates are not looked at.
    name: Option<String>,
}

/// What the edge says to a request for a WebSocket.
enum Outcome {
    Open(Box<Websocket>),
    Login,
}

impl Carrier {
    /// Makes a carrier.
    ///
    /// # Errors
    ///
    /// Fails when the place to connect to instead is not understood.
    pub fn new(client: Arc<Client>, options: Options) -> Result<Self, Error> {
        let mut fields = fields(options.headers.iter().map(|header| header.expose().as_str()));
        let mut set = |name: &str, value: &str| {
            if !value.is_empty() {
                fields.insert(name.into(), vec![Secret::new(value.into())]);
            }
        };
        set("Cf-Access-Client-Id", &options.service_token.0);
        set("Cf-Access-Client-Secret", options.service_token.1.expose());
        set("Cf-Access-Jump-Destination", &options.destination);
        set("User-Agent", &client.settings.agent);
        for name in RESERVED {
            fields.remove(name);
        }
        let instead = Instead::parse(&options.connect_to)?;
        if let Some(name) = instead.as_ref().and_then(|instead| instead.name.as_ref()) {
            tracing::warn!("Using insecure SSL connection because SNI overridden to {name}");
        }
        Ok(Self {
            client,
            address: options.address,
            fields,
            instead,
        })
    }

    /// Returns where the application is.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// Opens a WebSocket; signs in if that is what the edge asks for.
    ///
    /// # Errors
    ///
    /// Fails when the application cannot be reached, or does not let the user in.
    pub async fn open(&self) -> Result<Websocket, Error> {
        if let Outcome::Open(websocket) = self.attempt(None).await? {
            return Ok(*websocket);
        }
        let application = self.client.discover(&self.address).await?;
        if let Outcome::Open(websocket) = self.signed_in(&application).await? {
            return Ok(*websocket);
        }
        self.client.forget(&application);
        match self.signed_in(&application).await? {
            Outcome::Open(websocket) => Ok(*websocket),
            Outcome::Login => Err(Error::Handshake),
        }
    }

    async fn signed_in(&self, application: &Application) -> Result<Outcome, Error> {
        let token = self.client.token(&self.address, application, false).await?;
        self.attempt(Some(&token)).await
    }

    /// Asks the edge for a WebSocket.
    async fn attempt(&self, token: Option<&str>) -> Result<Outcome, Error> {
        let request = self.request(token)?;
        let own = self.address.place();
        let place = self.instead.as_ref().map_or(own, |instead| instead.place(own));
        let handshake = async {
            let stream = self.client.way.open(&place).await;
            let stream = stream.map_err(|failure| unreachable(&failure))?;
            match tokio_tungstenite::client_async_with_config(request, stream, None).await {
                Ok((stream, _)) => Ok(Outcome::Open(Box::new(Websocket::of(stream)))),
                Err(WebsocketError::Http(response)) => self.refusal(&response),
                Err(WebsocketError::Protocol(_)) => Err(Error::Handshake),
                Err(error) => Err(Error::Stream(error.to_string())),
            }
        };
        let late = || Error::Stream("the edge does not answer".into());
        tokio::time::timeout(LIMIT, handshake).await.map_err(|_| late())?
    }

    fn refusal<T>(&self, response: &Response<T>) -> Result<Outcome, Error> {
        let location = response
            .headers()
            .get("location")
            .and_then(|value| value.to_str().ok());
        if asks_for_login(&self.address, response.status().as_u16(), location) {
            return Ok(Outcome::Login);
        }
        Err(Error::Handshake)
    }

    /// Makes the request; one with a token has only the first value of each field.
    fn request(&self, token: Option<&str>) -> Result<Request<()>, Error> {
        let mut request = Request::builder()
            .method("GET")
            .uri(format!(
                "wss://{}{}",
                self.address.authority(),
                self.address.target()
            ))
            .header("Host", self.address.authority())
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", generate_key());
        for (name, values) in &self.fields {
            let Ok(name) = name.parse::<HeaderName>() else {
                // It cannot be sent, and users know that it costs them nothing.
                tracing::debug!(name, "a header field without a valid name is left out");
                continue;
            };
            let count = if token.is_some() { 1 } else { values.len() };
            for value in &values[..count.min(values.len())] {
                request = request.header(&name, hidden(value.expose())?);
            }
        }
        if let Some(token) = token {
            request = request.header("Cf-Access-Token", hidden(token)?);
        }
        request.body(()).map_err(|error| Error::Stream(error.to_string()))
    }
}

impl Instead {
    fn parse(text: &str) -> Result<Option<Self>, Error> {
        let parts: Vec<&str> = text.split(':').collect();
        let (host, port, name) = match parts[..] {
            [""] => return Ok(None),
            [host] => (host, "443", None),
            [host, port] => (host, port, None),
            [name, port, host] => (host, port, Some(name.to_owned())),
            _ => return Err(Error::Override(text.to_owned())),
        };
        let port = match port {
            "" => 443,
            _ => port.parse().map_err(|_| {
                let url = adit_dialect::quote::quote(format!("https://{host}:{port}"));
                Error::Argument(format!("parse {url}: invalid port \":{port}\" after host"))
            })?,
        };
        let host = host.to_owned();
        Ok(Some(Self { host, port, name }))
    }

    fn place<'a>(&'a self, own: Place<'a>) -> Place<'a> {
        Place {
            host: &self.host,
            port: self.port,
            name: self.name.as_deref().or(own.name),
            verified: self.name.is_none(),
        }
    }
}

/// Returns why the edge is not reached, in the words for WebSockets.
fn unreachable(failure: &Failure) -> Error {
    let cause = failure.cause.as_str();
    Error::Stream(cause.strip_prefix(TO_THE_PROXY).unwrap_or(cause).to_owned())
}

/// Reads fields as users write them; what has no colon is left out.
fn fields<'a>(headers: impl Iterator<Item = &'a str>) -> BTreeMap<String, Vec<Secret<String>>> {
    let mut fields: BTreeMap<String, Vec<Secret<String>>> = BTreeMap::new();
    for header in headers {
        let Some((name, value)) = header.split_once(':') else {
            continue;
        };
        let name = canonical(Bytes::copy_from_slice(name.trim().as_bytes()));
        let name = String::from_utf8_lossy(&name).into_owned();
        let value = value.trim().replace(['\r', '\n'], " ");
        fields.entry(name).or_default().push(Secret::new(value));
    }
    fields
}

fn hidden(value: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::try_from(value)
        .map_err(|_| Error::Stream("net/http: invalid header field value".into()))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests;
