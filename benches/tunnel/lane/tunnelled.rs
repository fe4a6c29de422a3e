//! Through a connector: streams opened by the edge.

use std::sync::Arc;

use adit_loopback::edge::Edge;
use adit_loopback::request::Request;
use adit_loopback::stream::{Awaited, Incoming, Outgoing};
use adit_loopback::{Connection, Head, Prepared};
use bytes::Bytes;
use http_body_util::Full;

use super::{Gauge, Rota, part, wrong};
use crate::Trouble;
use crate::origin::{DOORS, Ports, SOCKET, UPLOAD};
use crate::scenario::{Carrier, Page, Work};

/// The road through a connector.
#[derive(Debug)]
pub(crate) struct Tunnelled {
    pub(crate) edge: Arc<Edge>,
    pub(crate) origin: Ports,
}

/// A worker's place on one of the connections.
#[derive(Debug)]
pub(super) struct Lane {
    connection: Connection,
    rota: Rota,
    /// The request for each door, in the terms of the transport.
    requests: Vec<Request>,
    prepared: [Option<Prepared>; DOORS],
}

/// An open stream.
#[derive(Debug)]
pub(crate) struct Pipe {
    outgoing: Outgoing,
    incoming: Incoming,
}

/// Connections that a connector keeps.
const CONNECTIONS: usize = 4;

/// Returns the host that requests for a door name; a rule of its own matches it.
pub(crate) fn host(door: usize) -> String {
    format!("app{door}.bench.example")
}

impl Tunnelled {
    pub(super) fn lane(&self, number: usize, work: Work) -> Lane {
        let index = (number % CONNECTIONS) as u8;
        Lane {
            connection: self.edge.connection(index),
            rota: Rota::new(number, work),
            requests: (0..DOORS).map(|door| self.request(work, door)).collect(),
            prepared: [const { None }; DOORS],
        }
    }

    fn request(&self, work: Work, door: usize) -> Request {
        let url = |path: &str| format!("https://{}{path}", host(door));
        match work {
            Work::Get(page) => dressed(Request::get(&url(page.path()))),
            Work::Upload(length) => {
                // The body is sent by the lane; that there is one must show in the head.
                let request = dressed(Request::new("POST", &url(UPLOAD)));
                request
                    .header("Content-Length", length.to_string())
                    .body(Full::new(part(length)))
            }
            Work::Echo(carrier, _) | Work::Churn(carrier) => match carrier {
                Carrier::WebSocket => dressed(Request::websocket(&url(SOCKET))),
                Carrier::Tcp => Request::tcp(&self.origin.address(carrier, door).to_string()),
            },
        }
    }
}

/// Adds the header fields of a browser and of the edge.
fn dressed(request: Request) -> Request {
    request
        .header(
            "Accept",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        )
        .header("Accept-Encoding", "gzip, br")
        .header("Accept-Language", "en-GB,en;q=0.9")
        .header("Cdn-Loop", "cloudflare; loops=1")
        .header("Cf-Connecting-Ip", "192.0.2.7")
        .header("Cf-Ipcountry", "XX")
        .header("Cf-Ray", "8f0d1c2b3a495867-LHR")
        .header("Cf-Visitor", r#"{"scheme":"https"}"#)
        .header(
            "User-Agent",
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        )
        .header("X-Forwarded-For", "192.0.2.7")
        .header("X-Forwarded-Proto", "https")
}

impl Lane {
    /// Opens a stream with the request on it.
    async fn start(&mut self) -> Result<(Outgoing, Awaited), Trouble> {
        let door = self.rota.door();
        let prepared = match &mut self.prepared[door] {
            Some(prepared) => prepared,
            empty => empty.insert(self.connection.prepare(&self.requests[door])?),
        };
        Ok(self.connection.open_prepared(prepared).await?)
    }

    pub(super) async fn get(&mut self, page: Page, gauge: &Gauge) -> Result<(), Trouble> {
        let (mut outgoing, awaited) = self.start().await?;
        // Over HTTP/2 the head itself has ended this direction.
        let _finished = outgoing.finish();
        let (head, mut incoming) = awaited.head().await?;
        check(&head, 200)?;
        let mut got = 0;
        while let Some(chunk) = incoming.chunk().await? {
            got += chunk.len() as u64;
            gauge.passed(chunk.len());
        }
        if got == page.length() {
            Ok(())
        } else {
            Err(wrong(got, page.length()))
        }
    }

    pub(super) async fn upload(&mut self, length: u64, gauge: &Gauge) -> Result<(), Trouble> {
        let (mut outgoing, awaited) = self.start().await?;
        let mut left = length;
        while left > 0 {
            let part = part(left);
            let sent = part.len();
            outgoing.send(part).await?;
            gauge.passed(sent);
            left -= sent as u64;
        }
        outgoing.finish()?;
        let (head, mut incoming) = awaited.head().await?;
        check(&head, 200)?;
        while incoming.chunk().await?.is_some() {}
        Ok(())
    }

    pub(super) async fn open(&mut self, carrier: Carrier) -> Result<Pipe, Trouble> {
        let (outgoing, awaited) = self.start().await?;
        let (head, incoming) = awaited.head().await?;
        check(
            &head,
            match carrier {
                Carrier::WebSocket => 101,
                Carrier::Tcp => 200,
            },
        )?;
        Ok(Pipe { outgoing, incoming })
    }
}

fn check(head: &Head, status: u16) -> Result<(), Trouble> {
    if head.status == status && head.refusal.is_none() {
        return Ok(());
    }
    let refusal = head.refusal.as_deref().unwrap_or_default();
    Err(format!("the connector answered with {} {refusal}", head.status).into())
}

impl Pipe {
    pub(super) async fn echo(&mut self, message: &Bytes) -> Result<(), Trouble> {
        self.outgoing.send(message.clone()).await?;
        let mut left = message.len();
        while left > 0 {
            let chunk = self
                .incoming
                .chunk()
                .await?
                .ok_or("the stream has ended in an echo")?;
            left = left.checked_sub(chunk.len()).ok_or("an echo is too long")?;
        }
        Ok(())
    }

    pub(super) async fn close(mut self) -> Result<(), Trouble> {
        self.outgoing.finish()?;
        // Whether the connector ends its direction or resets it, the stream is over.
        while let Ok(Some(_)) = self.incoming.chunk().await {}
        Ok(())
    }
}
