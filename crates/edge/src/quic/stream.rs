//! One stream of the edge: a request becomes an exchange, and its reply the bytes of the answer.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use adit_exchange::outlet::{Outlet, OutletError};
use adit_exchange::splice::{SpliceError, splice};
use adit_exchange::{
    Body, BodyError, Class, Connected, Framing, Headers, Kind, Refusal, Reply, Request, Response,
};
use adit_wire::connect::{TRACING, put_accepted, put_refusal, put_response};
use adit_wire::headers::{HttpHead, Length, TcpHead};
use adit_wire::{ConnectRequest, ConnectionType, DecodeError, Intake, preamble};
use bytes::{Bytes, BytesMut};
use quinn::{RecvStream, SendStream};

use super::io::{Inward, Outward, TOO_SLOW};
use crate::connection::Lane;
use crate::report;

/// Serves a stream to its end.
///
/// What comes before a reply needs much room and is soon over. It has a place of its own, so that a
/// stream that is carried for long needs little.
pub(super) async fn serve(send: SendStream, recv: RecvStream, lane: Arc<Lane>, rtt: Duration) {
    let stream = Stream {
        inward: Inward::new(recv),
        outward: Outward::new(send, lane.write_timeout),
        intake: Intake::new(),
        lane,
        rtt,
    };
    if let Some(replied) = Box::pin(stream.ask()).await {
        replied.answer().await;
    }
}

struct Stream {
    inward: Inward,
    outward: Outward,
    intake: Intake,
    lane: Arc<Lane>,
    rtt: Duration,
}

/// A stream whose request has a reply.
struct Replied {
    reply: Result<Reply, Refusal>,
    label: Label,
    outward: Outward,
    lane: Arc<Lane>,
    rtt: Duration,
}

/// What a request is in log lines.
struct Label {
    kind: Kind,
    destination: Bytes,
}

/// Why an answer that had begun was not completed.
#[derive(Debug, thiserror::Error)]
enum Broken {
    /// The origin did not send all of it.
    #[error(transparent)]
    Origin(#[from] BodyError),
    /// The edge did not take all of it.
    #[error(transparent)]
    Edge(#[from] OutletError),
    /// A two-way stream broke off.
    #[error(transparent)]
    Splice(#[from] SpliceError),
}

impl Stream {
    /// Reads what is asked for and asks the proxy; nothing if the stream has ended with that.
    async fn ask(mut self) -> Option<Replied> {
        let broken = match self.take(preamble::take, preamble::ended).await {
            Ok(preamble::Kind::Data) => match self.take(ConnectRequest::take, |_| DecodeError::Ended).await {
                Ok(request) => return self.exchange(request).await,
                Err(broken) => broken,
            },
            Ok(preamble::Kind::Rpc) => {
                self.calls().await;
                return None;
            }
            Err(broken) => broken,
        };
        report::stream_failed(&self.lane.whereabouts, &broken);
        None
    }

    /// Reads until `take` has taken something.
    async fn take<T>(
        &mut self,
        take: impl Fn(&mut Intake) -> Result<Option<T>, DecodeError>,
        ended: impl Fn(&Intake) -> DecodeError,
    ) -> Result<T, String> {
        loop {
            if let Some(taken) = take(&mut self.intake).map_err(|error| error.to_string())? {
                return Ok(taken);
            }
            match self.inward.read().await {
                Ok(Some(data)) => self.intake.push(data),
                Ok(None) => return Err(ended(&self.intake).to_string()),
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    async fn calls(self) {
        let reader = self.inward.into_inner();
        let writer = self.outward.into_inner();
        self.lane.answer_calls(self.intake, reader, writer).await;
    }

    async fn exchange(mut self, request: ConnectRequest) -> Option<Replied> {
        self.inward.put_back(std::mem::take(&mut self.intake).into_rest());
        let kind = match request.kind {
            ConnectionType::Http => Kind::Http,
            ConnectionType::WebSocket => Kind::WebSocket,
            ConnectionType::Tcp => Kind::Tcp,
            ConnectionType::Unknown(number) => {
                // §3.7, improve: upstream crashes.
                let refusal = Refusal::new(Class::Request, format!("unsupported error type: {number}"));
                refuse(&mut self.outward, &refusal).await;
                return None;
            }
        };
        let label = Label {
            kind,
            destination: request.destination.clone(),
        };
        let ended = self.inward.has_ended().await;
        let translated = match kind {
            Kind::Tcp => Ok(tcp(request)),
            Kind::Http | Kind::WebSocket => http(kind, request, ended),
        };
        let (lane, mut outward) = (self.lane, self.outward);
        let reply = match translated {
            Ok(request) => {
                let request = Request {
                    body: Body::stream(self.inward),
                    arrival: lane.arrival(request.arrival),
                    ..request
                };
                tokio::select! {
                    biased;
                    reply = lane.proxy.call(request) => reply,
                    gone = outward.gone() => {
                        report::visitor_left(&lane.whereabouts, &gone.message);
                        return None;
                    }
                }
            }
            Err(refusal) => Err(refusal),
        };
        Some(Replied {
            reply,
            label,
            outward,
            lane,
            rtt: self.rtt,
        })
    }
}

impl Replied {
    /// Says what the proxy says, as long as the edge listens.
    async fn answer(self) {
        let mut outward = self.outward;
        let (whereabouts, label) = (&self.lane.whereabouts, &self.label);
        let told = match self.reply {
            Ok(Reply::Response(response)) => respond(response, &mut outward).await,
            Ok(Reply::Connected(connected)) => connect(connected, label.kind, &mut outward).await,
            Err(refusal) => {
                if refusal.class != Class::Abandoned {
                    report::request_failed(whereabouts, label.kind, &label.destination, &refusal.message);
                }
                return refuse(&mut outward, &refusal).await;
            }
        };
        if let Err(broken) = told {
            let cause = broken.to_string();
            if cause.contains(TOO_SLOW) {
                report::write_timeout(whereabouts, &cause);
            }
            if broken.is_ours() {
                report::request_failed(whereabouts, label.kind, &label.destination, &cause);
            } else {
                report::visitor_left(whereabouts, &cause);
            }
            // A reset overtakes what the library has not sent yet: leave it a moment.
            tokio::time::sleep(self.rtt.clamp(FLUSH_LEAST, FLUSH_MOST)).await;
            outward.reset();
        }
    }
}

/// Writes a response; what the origin has sent already leaves together with the head.
async fn respond(response: Response, outward: &mut Outward) -> Result<(), Broken> {
    let mut head = BytesMut::new();
    if let Err(error) = put_response(response.status, pairs(&response.headers), &mut head) {
        refuse(outward, &Refusal::new(Class::Protocol, error.to_string())).await;
        return Ok(());
    }
    let mut body = response.body;
    let mut next = std::future::poll_fn(|cx| Poll::Ready(body.poll_data(cx))).await;
    let mut first = Bytes::new();
    if let Poll::Ready(Some(Ok(data))) = &mut next {
        first = std::mem::take(data);
    }
    outward.send_both(head.freeze(), first).await?;
    loop {
        match next {
            Poll::Ready(None) => return Ok(outward.finish()?),
            Poll::Ready(Some(Err(error))) => return Err(error.into()),
            Poll::Ready(Some(Ok(data))) => outward.send_both(data, Bytes::new()).await?,
            Poll::Pending => {}
        }
        if http_body::Body::is_end_stream(&body) {
            return Ok(outward.finish()?);
        }
        next = Poll::Ready(tokio::select! {
            biased;
            data = body.data() => data,
            gone = outward.gone() => return Err(gone.into()),
        });
    }
}

/// Acknowledges a two-way stream and carries it.
async fn connect(connected: Connected, kind: Kind, outward: &mut Outward) -> Result<(), Broken> {
    let mut head = BytesMut::new();
    let written = match kind {
        Kind::Tcp => put_accepted(connected.headers.get(TRACING).cloned(), &mut head),
        Kind::Http | Kind::WebSocket => put_response(SWITCHING, pairs(&connected.headers), &mut head),
    };
    if let Err(error) = written {
        refuse(outward, &Refusal::new(Class::Protocol, error.to_string())).await;
        return Ok(());
    }
    outward.send_both(head.freeze(), Bytes::new()).await?;
    Ok(splice(connected.body, connected.io, outward).await?)
}

/// Tells the edge why there is no reply.
async fn refuse(outward: &mut Outward, refusal: &Refusal) {
    let mut head = BytesMut::new();
    // An error without words would read as success.
    let message = if refusal.message.is_empty() {
        refusal.class.name().to_owned()
    } else {
        refusal.message.clone()
    };
    let written = put_refusal(message, refusal.class == Class::Limit, &mut head);
    if written.is_ok() && outward.send_both(head.freeze(), Bytes::new()).await.is_ok() {
        // An edge that has gone need not be told.
        let _gone = outward.finish();
    } else {
        outward.reset();
    }
}

fn http(kind: Kind, request: ConnectRequest, ended: bool) -> Result<Request, Refusal> {
    let head = HttpHead::read(request);
    let head = head.map_err(|error| Refusal::new(Class::Request, error.to_string()))?;
    let framing = match head.length() {
        _ if ended && kind == Kind::Http => Framing::Ended,
        Length::Exactly(length) => Framing::Length(length),
        Length::Unknown => Framing::Streamed,
        Length::Undeclared => Framing::Undeclared,
    };
    Ok(Request {
        kind,
        method: head.method,
        destination: head.url,
        host: head.host,
        headers: head
            .fields
            .into_iter()
            .map(|field| (field.name, field.value))
            .collect(),
        framing,
        body: Body::empty(),
        arrival: adit_exchange::Arrival::default(),
    })
}

fn tcp(request: ConnectRequest) -> Request {
    let head = TcpHead::read(&request.metadata);
    Request {
        kind: Kind::Tcp,
        method: Bytes::new(),
        destination: request.destination,
        host: Bytes::new(),
        headers: Headers::new(),
        framing: Framing::Streamed,
        body: Body::empty(),
        arrival: adit_exchange::Arrival {
            flow: head.flow,
            trace: head.trace,
            ..adit_exchange::Arrival::default()
        },
    }
}

impl Broken {
    /// Returns whether somebody on this side should know.
    fn is_ours(&self) -> bool {
        match self {
            Self::Origin(_) => true,
            Self::Edge(_) => false,
            Self::Splice(error) => matches!(error, SpliceError::Write(_) | SpliceError::Read(_)),
        }
    }
}

fn pairs(headers: &Headers) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
    headers.iter().map(|header| (&header.name[..], &header.value[..]))
}

const SWITCHING: u16 = 101;
/// About a round trip, within reason.
const FLUSH_LEAST: Duration = Duration::from_millis(10);
const FLUSH_MOST: Duration = Duration::from_millis(200);
