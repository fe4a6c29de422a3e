//! The built-in service that shows a tunnel works (`hello_world`).

pub(crate) mod echo;

use std::fmt::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use adit_dialect::url::Url;
use adit_dialect::{duration, hostport};
use adit_exchange::{Body, BodyError, Framing, Headers, Reply, Response};
use bytes::Bytes;
use http_body::Frame;
use tokio::time::{Instant, Interval, interval_at};

use super::date;
use crate::incoming::Incoming;
use crate::lookahead::collect;

/// Bytes of a request body that the page shows.
const MAX_SHOWN: usize = 64 * 1024;

/// How long the page waits for a request body that it could show.
const BODY_TIMEOUT: Duration = Duration::from_secs(2);

/// How often events are sent when the visitor does not say.
const FREQUENCY: Duration = Duration::from_secs(10);

/// The built-in service.
#[derive(Debug)]
pub(crate) struct Hello {
    started: SystemTime,
    since: Instant,
}

impl Hello {
    /// Returns the service, started now.
    pub(crate) fn new() -> Self {
        Self {
            started: SystemTime::now(),
            since: Instant::now(),
        }
    }

    /// Answers a request.
    pub(crate) async fn call(&self, incoming: Incoming) -> Reply {
        let head_only = incoming.method == b"HEAD"[..];
        if let Some(cleaned) = cleaned(&incoming.path).filter(|_| incoming.method != b"CONNECT"[..]) {
            return moved(&incoming, &cleaned, head_only);
        }
        if incoming.path == b"/ws"[..] {
            return talk(incoming);
        }
        let (kind, body) = match &incoming.path[..] {
            b"/uptime" => ("application/json", Body::full(self.uptime())),
            b"/_health" => ("text/plain; charset=utf-8", Body::full("ok")),
            b"/sse" => (
                "text/event-stream; charset=utf-8",
                Body::stream(Events::new(&incoming)),
            ),
            _ => ("text/html; charset=utf-8", Body::full(page(incoming).await)),
        };
        respond(200, [("Content-Type", kind.into())], body, head_only)
    }

    fn uptime(&self) -> String {
        let nanos = i64::try_from(self.since.elapsed().as_nanos()).unwrap_or(i64::MAX);
        let (started, uptime) = (date::precise(self.started), duration::print(nanos));
        format!("{{\"startTime\":\"{started}\",\"uptime\":\"{uptime}\"}}")
    }
}

/// Begins a conversation, if that is what the visitor asks for.
fn talk(incoming: Incoming) -> Reply {
    let asks = incoming.websocket && incoming.headers.contains("Sec-Websocket-Key");
    let from = incoming.headers.get("Origin").filter(|origin| !origin.is_empty());
    let host = hostport::host(&incoming.host).to_ascii_lowercase();
    let allowed = from.is_none_or(|origin| {
        Url::parse(origin).is_ok_and(|origin| hostport::host(origin.host()).to_ascii_lowercase() == host)
    });
    let (status, words) = match (asks, allowed) {
        (true, true) => return Reply::Connected(echo::connected(&incoming.headers, incoming.body)),
        (true, false) => (403, "Forbidden\n"),
        (false, _) => (400, "Bad Request\n"),
    };
    let fields = [
        ("Content-Type", "text/plain; charset=utf-8".into()),
        ("X-Content-Type-Options", "nosniff".into()),
        ("Sec-Websocket-Version", "13".into()),
    ];
    respond(status, fields, Body::full(words), incoming.method == b"HEAD"[..])
}

/// Sends a visitor to the path without detours.
fn moved(incoming: &Incoming, path: &[u8], head_only: bool) -> Reply {
    let url = Url::parse(&incoming.destination).ok();
    let query = url
        .as_ref()
        .and_then(|url| url.query())
        .map(String::from_utf8_lossy);
    let path = String::from_utf8_lossy(path).into_owned();
    let location = query.map_or(path.clone(), |query| format!("{path}?{query}"));
    let body = format!(
        "<a href=\"{}\">Moved Permanently</a>.\n\n",
        escaped(location.as_bytes())
    );
    let fields = [
        ("Content-Type", "text/html; charset=utf-8".into()),
        ("Location", location),
    ];
    respond(301, fields, Body::full(body), head_only)
}

/// Returns the path without empty steps and steps back, if it has any.
fn cleaned(path: &[u8]) -> Option<Vec<u8>> {
    let mut steps: Vec<&[u8]> = Vec::new();
    for step in path.split(|byte| *byte == b'/') {
        match step {
            b"" | b"." => {}
            b".." => drop(steps.pop()),
            step => steps.push(step),
        }
    }
    let mut cleaned = vec![b'/'];
    cleaned.extend(steps.join(&b'/'));
    if path.ends_with(b"/") && cleaned.len() > 1 {
        cleaned.push(b'/');
    }
    let is_clean = path.is_empty() || cleaned == path;
    (!is_clean).then_some(cleaned)
}

fn respond<const N: usize>(
    status: u16,
    fields: [(&'static str, String); N],
    body: Body,
    head_only: bool,
) -> Reply {
    let mut headers: Headers = fields.into_iter().collect();
    headers.append("Date", date::http(SystemTime::now()));
    if let Some(length) = http_body::Body::size_hint(&body).exact() {
        headers.append("Content-Length", length.to_string());
    }
    Reply::Response(Response {
        status,
        wording: None,
        headers,
        body: if head_only { Body::empty() } else { body },
    })
}

async fn page(mut incoming: Incoming) -> String {
    let body = match incoming.framing {
        Framing::Length(1..) | Framing::Streamed => shown(std::mem::take(&mut incoming.body)).await,
        Framing::Ended | Framing::Length(0) | Framing::Undeclared => Bytes::new(),
    };
    let mut page = String::from(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Hello from your tunnel</title>\n\
         <style>body{font-family:sans-serif;max-width:48em;margin:3em auto;padding:0 1em;line-height:1.5}\
         code{overflow-wrap:anywhere}</style>\n</head>\n<body>\n<h1>Congrats! You created a tunnel!</h1>\n\
         <p>This page was made by the connector on your machine. Point the rule at a service of your own next.</p>\n\
         <h2>Your request</h2>\n<dl>\n",
    );
    let rows = [
        ("Method", &incoming.method),
        ("URL", &incoming.destination),
        ("Host", &incoming.host),
        ("Request URI", &incoming.target),
    ];
    for (name, value) in rows {
        row(&mut page, name, value);
    }
    for header in &incoming.headers {
        row(
            &mut page,
            &format!("Header: {}", escaped(&header.name)),
            &header.value,
        );
    }
    if !body.is_empty() {
        row(&mut page, "Body", &body);
    }
    page.push_str("</dl>\n</body>\n</html>\n");
    page
}

/// Returns what the page shows of a body.
async fn shown(body: Body) -> Bytes {
    let collected = tokio::time::timeout(BODY_TIMEOUT, collect(body, MAX_SHOWN)).await;
    collected.ok().and_then(Result::ok).flatten().unwrap_or_default()
}

fn row(page: &mut String, name: &str, value: &[u8]) {
    let value = escaped(value);
    writeln!(page, "<dt>{name}</dt><dd><code>{value}</code></dd>").expect("a string takes everything");
}

fn escaped(text: &[u8]) -> String {
    let mut escaped = String::new();
    for letter in String::from_utf8_lossy(text).chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&#34;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Numbers, one per tick.
struct Events {
    ticks: Interval,
    next: u64,
}

impl Events {
    fn new(incoming: &Incoming) -> Self {
        let every = frequency(&incoming.destination).unwrap_or(FREQUENCY);
        tracing::info!("Server Sent Events every {}", duration::print(nanos(every)));
        Self {
            ticks: interval_at(Instant::now() + every, every),
            next: 0,
        }
    }
}

fn frequency(destination: &[u8]) -> Option<Duration> {
    let url = Url::parse(destination).ok()?;
    let query = std::str::from_utf8(url.query()?).ok()?;
    let given = query.split('&').find_map(|pair| pair.strip_prefix("freq="))?;
    let nanos = u64::try_from(duration::parse(given).ok()?).ok()?;
    (nanos > 0).then(|| Duration::from_nanos(nanos).max(Duration::from_millis(1)))
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        ready!(self.ticks.poll_tick(cx));
        let event = format!("{}\n\n", self.next);
        self.next += 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(event)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lose_their_detours() {
        let check = |path: &str, expect: Option<&str>| {
            assert_eq!(
                cleaned(path.as_bytes()).as_deref(),
                expect.map(str::as_bytes),
                "{path}"
            );
        };
        check("/", None);
        check("", None);
        check("/a/b/", None);
        check("//x", Some("/x"));
        check("/a/../b", Some("/b"));
        check("/a/./b//", Some("/a/b/"));
        check("/../..", Some("/"));
    }
}
