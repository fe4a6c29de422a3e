//! What the dashboard asks of a connector, through the tunnel.
//!
//! The edge has checked who asks; here the token only says who that is.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use adit_exchange::{
    Answer, Body, Class, Connected, Headers, Kind, Proxy, Refusal, Reply, Request, Response,
};
use serde::Serialize;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use uuid::Uuid;

use crate::actor;
use crate::page::Page;
use crate::routes::{Desk, Question};
use crate::session::Session;
use crate::tail::Feed;

/// Answers requests for the management host.
#[derive(Debug)]
pub struct Management {
    /// The answers that the local server gives, too.
    pub desk: Desk,
    /// The live log.
    pub feed: Arc<Feed>,
    /// Who this connector is.
    pub host: Host,
    /// Whether metrics and profiles are offered.
    pub diagnostics: bool,
    sessions: Mutex<JoinSet<()>>,
}

/// Who a connector is.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// The connector.
    pub connector: Uuid,
    /// The name that the user gave it.
    pub label: String,
    /// Where to dial to find out the own address.
    pub targets: Vec<SocketAddr>,
}

/// The answer to `/host_details`.
#[derive(Serialize)]
struct Details {
    connector_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<IpAddr>,
    hostname: String,
}

/// How long finding out the own address may take.
const DIAL: Duration = Duration::from_secs(1);

/// Bytes in flight between a session and the tunnel, each way.
const BUFFER: usize = 64 << 10;

/// Where requests may come from, beside the host itself.
const DASHBOARD: &str = ".cloudflare.com";

impl Management {
    /// Returns what answers for the management host.
    #[must_use]
    pub fn new(desk: Desk, feed: Arc<Feed>, host: Host, diagnostics: bool) -> Self {
        Self {
            desk,
            feed,
            host,
            diagnostics,
            sessions: Mutex::new(JoinSet::new()),
        }
    }

    async fn answer(&self, request: Request) -> Result<Reply, Refusal> {
        let target = String::from_utf8_lossy(&request.destination).into_owned();
        let (path, query) = split(&target);
        let Some(actor) = actor::of_query(query) else {
            return Ok(reply(actor::refusal()));
        };
        let origin = field(&request.headers, "Origin");
        let page = match path {
            "/logs" if request.method == "GET" => return self.logs(request, actor, origin.as_deref()),
            "/logs" => only(&["GET"]),
            "/ping" => match &request.method[..] {
                b"GET" | b"HEAD" => cors(
                    Page {
                        headers: Vec::new(),
                        ..Page::text(200, "")
                    },
                    origin.as_deref(),
                ),
                _ => only(&["GET", "HEAD"]),
            },
            "/host_details" if request.method == "GET" => cors(self.details().await, origin.as_deref()),
            "/host_details" => only(&["GET"]),
            "/metrics" | "/debug/pprof/heap" | "/debug/pprof/goroutine" if self.diagnostics => {
                match &request.method[..] {
                    b"GET" => cors(
                        self.desk.answer(Question {
                            path,
                            query,
                            gzip: false,
                        }),
                        origin.as_deref(),
                    ),
                    _ => only(&["GET"]),
                }
            }
            _ => Page::not_found(),
        };
        Ok(reply(page))
    }

    /// Turns a request into a session that follows the live log.
    fn logs(&self, request: Request, actor: String, origin: Option<&str>) -> Result<Reply, Refusal> {
        let host = String::from_utf8_lossy(&request.host).into_owned();
        if let Some(origin) = origin.filter(|origin| !may_follow(origin, &host)) {
            let text = format!("request Origin \"{origin}\" is not authorized for Host \"{host}\"\n");
            return Ok(reply(
                Page::text(403, text).with("X-Content-Type-Options", "nosniff"),
            ));
        }
        let key = field(&request.headers, "Sec-WebSocket-Key");
        let (Kind::WebSocket, Some(key)) = (request.kind, key) else {
            let connection = field(&request.headers, "Connection").unwrap_or_default();
            let text = format!(
                "WebSocket protocol violation: Connection header \"{connection}\" does not contain Upgrade\n"
            );
            let page = Page::text(426, text)
                .with("X-Content-Type-Options", "nosniff")
                .with("Connection", "Upgrade")
                .with("Upgrade", "websocket");
            return Ok(reply(page));
        };
        let (ours, theirs) = tokio::io::duplex(BUFFER);
        let session = Session {
            feed: Arc::clone(&self.feed),
            actor,
            stream: ours,
        };
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        while sessions.try_join_next().is_some() {}
        sessions.spawn(session.run());
        let mut headers = Headers::new();
        headers.append("Connection", "Upgrade");
        headers.append("Sec-WebSocket-Accept", accept(&key));
        headers.append("Upgrade", "websocket");
        Ok(Reply::Connected(Connected {
            headers,
            body: request.body,
            io: Box::new(theirs),
        }))
    }

    async fn details(&self) -> Page {
        let hostname = if self.host.label.is_empty() {
            let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
            if name.is_empty() {
                "unknown".to_owned()
            } else {
                name
            }
        } else {
            format!("custom:{}", self.host.label)
        };
        let details = Details {
            connector_id: self.host.connector,
            ip: own_address(&self.host.targets).await,
            hostname,
        };
        let mut text = crate::diagnostics::json(&details);
        text.push('\n');
        Page::new(200, "application/json", text)
    }
}

impl Proxy for Management {
    fn call(&self, request: Request) -> Answer<'_> {
        if request.kind == Kind::Tcp {
            let refusal = Refusal::new(Class::Request, "the management service carries no TCP streams");
            return Box::pin(async move { Err(refusal) });
        }
        Box::pin(self.answer(request))
    }
}

/// Returns the address that this machine uses towards the edge.
async fn own_address(targets: &[SocketAddr]) -> Option<IpAddr> {
    for target in targets {
        if let Ok(Ok(stream)) = timeout(DIAL, TcpStream::connect(target)).await
            && let Ok(address) = stream.local_addr()
        {
            return Some(address.ip());
        }
    }
    None
}

/// Returns path and query of a request target, absolute or not.
fn split(target: &str) -> (&str, &str) {
    let rest = match target.split_once("://") {
        Some((_, rest)) => rest.find(['/', '?']).map_or("/", |at| &rest[at..]),
        None => target,
    };
    rest.split_once('?').unwrap_or((rest, ""))
}

fn field(headers: &Headers, name: &str) -> Option<String> {
    let value = headers.get(name)?;
    Some(String::from_utf8_lossy(value).into_owned())
}

/// Lets pages of the dashboard read an answer.
fn cors(page: Page, origin: Option<&str>) -> Page {
    let page = page.with("Vary", "Origin");
    match origin {
        Some(origin) if is_dashboard(origin) => page
            .with("Access-Control-Allow-Origin", origin)
            .with("Access-Control-Allow-Credentials", "true"),
        _ => page,
    }
}

fn is_dashboard(origin: &str) -> bool {
    let host = origin
        .strip_prefix("https://")
        .and_then(|host| host.strip_suffix(DASHBOARD));
    host.is_some_and(|name| !name.is_empty())
}

/// Returns whether a page of this origin may follow the log.
fn may_follow(origin: &str, host: &str) -> bool {
    let name = origin.split_once("://").map_or(origin, |(_, name)| name);
    name.eq_ignore_ascii_case(host) || name.to_ascii_lowercase().ends_with(DASHBOARD)
}

/// Answers a method that a path does not have.
fn only(methods: &[&'static str]) -> Page {
    let page = Page {
        headers: Vec::new(),
        ..Page::text(405, "")
    };
    methods
        .iter()
        .fold(page, |page, method| page.with("Allow", *method))
}

/// Returns the proof that a server speaks WebSocket.
fn accept(key: &str) -> String {
    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let sum = digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, sum.as_ref())
}

fn reply(page: Page) -> Reply {
    let mut headers = Headers::new();
    for (name, value) in page.headers {
        headers.append(name, value);
    }
    Reply::Response(Response {
        status: page.status,
        wording: None,
        headers,
        body: Body::full(page.body),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proof_is_that_of_the_standard() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn targets_are_split_whatever_their_form() {
        let cases = [
            ("https://host/logs?a=b", ("/logs", "a=b")),
            ("https://host?a", ("", "a")),
            ("https://host", ("/", "")),
            ("/ping", ("/ping", "")),
        ];
        for (target, expected) in cases {
            assert_eq!(split(target), expected);
        }
    }

    #[test]
    fn only_the_dashboard_and_the_host_itself_come_in() {
        for (origin, dashboard, follows) in [
            ("https://dash.cloudflare.com", true, true),
            ("https://cloudflare.com", false, false),
            ("http://dash.cloudflare.com", false, true),
            ("https://evil.example", false, false),
            ("https://h.example", false, true),
        ] {
            assert_eq!(
                (is_dashboard(origin), may_follow(origin, "h.example")),
                (dashboard, follows),
                "{origin}"
            );
        }
    }
}
