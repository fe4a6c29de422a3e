//! What is said and counted about a request, from its arrival to its last byte.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Instant;

use adit_dialect::status;
use adit_exchange::{Class, Connected, Headers, Refusal, Request, Response, Transport};
use bytes::Bytes;
use prometheus::Histogram;
use tracing::{Level, debug, enabled, error, warn};

use crate::flows::Flow;
use crate::held::Held;
use crate::incoming::Incoming;
use crate::metrics::Metrics;
use crate::shown::shown;
use crate::told::Told;

/// `event` of lines about HTTP.
const HTTP: u8 = 1;

/// `event` of lines about private TCP.
const TCP: u8 = 2;

/// What lines call the service behind private addresses.
const PRIVATE: &str = "warp-routing";

/// What lines call the service inside the program, and the index of its rule.
const MANAGEMENT: &str = "management";
const INNER: i64 = -1;

/// What is told of a request whose visitor left before an answer.
const UNANSWERED: &str = "Incoming request ended abruptly: context canceled";

/// What is told of a request whose visitor left during the answer.
const UNREAD: &str = "context canceled";

/// One request in progress: who carries it, and what remains to be said about it.
#[derive(Debug)]
pub(crate) struct Telling {
    metrics: Arc<Metrics>,
    started: Instant,
    /// Where the time until the first byte is observed, if it is.
    first_byte: Option<Histogram>,
    facts: Facts,
    /// The status as the origin wrote it, if that is not the usual text.
    wording: Option<Bytes>,
    /// What is told when the visitor leaves now; nothing once the end was told.
    unfinished: Option<&'static str>,
}

/// What every line about a request says.
#[derive(Debug)]
struct Facts {
    event: u8,
    connection: u8,
    service: Arc<str>,
    /// Nothing for private addresses, which no rule leads to.
    rule: Option<i64>,
    /// Where a stream leads.
    destination: Option<String>,
    flow: Option<String>,
    ray: Option<Bytes>,
}

impl Facts {
    fn ray(&self) -> Option<String> {
        self.ray.as_deref().map(text)
    }
}

impl Telling {
    /// Begins to tell about a request that has reached the proxy.
    ///
    /// `service` is the index of its rule, what that leads to, and where its first byte is observed.
    pub(crate) fn begin(
        metrics: &Arc<Metrics>,
        incoming: &Incoming,
        (rule, service, first_byte): (i64, &Arc<str>, Histogram),
    ) -> Self {
        let mut telling = Self::new(
            metrics,
            Facts {
                event: HTTP,
                connection: incoming.arrival.connection,
                service: Arc::clone(service),
                rule: Some(rule),
                destination: None,
                flow: None,
                ray: incoming.headers.get("Cf-Ray").cloned(),
            },
        );
        telling.first_byte = Some(first_byte);
        if enabled!(Level::DEBUG) {
            telling.arrived(incoming);
        }
        telling
    }

    /// Begins to tell about a request to the service inside the program.
    pub(crate) fn begin_inner(metrics: &Arc<Metrics>, request: &Request) -> Self {
        Self::new(
            metrics,
            Facts {
                event: HTTP,
                connection: request.arrival.connection,
                service: MANAGEMENT.into(),
                rule: Some(INNER),
                destination: None,
                flow: None,
                ray: request.headers.get("Cf-Ray").cloned(),
            },
        )
    }

    /// Begins to tell about a stream to a private address.
    pub(crate) fn begin_private(metrics: &Arc<Metrics>, request: &Request) -> Self {
        metrics.tcp_total.inc();
        metrics.tcp_active.inc();
        Self::new(
            metrics,
            Facts {
                event: TCP,
                connection: request.arrival.connection,
                service: PRIVATE.into(),
                rule: None,
                destination: Some(text(&request.destination)),
                flow: Some(text(&request.arrival.flow)),
                ray: None,
            },
        )
    }

    fn new(metrics: &Arc<Metrics>, facts: Facts) -> Self {
        metrics.requests.inc();
        metrics.concurrent_requests.inc();
        Self {
            metrics: Arc::clone(metrics),
            started: Instant::now(),
            first_byte: None,
            facts,
            wording: None,
            unfinished: Some(UNANSWERED),
        }
    }

    /// Remembers where a stream leads.
    pub(crate) fn towards(&mut self, destination: impl Into<String>) {
        self.facts.destination = Some(destination.into());
    }

    /// Tells that the request failed, and why.
    pub(crate) fn failed(mut self, refusal: &Refusal) {
        self.unfinished = None;
        self.failed_with(refusal.class, &refusal.message);
    }

    /// Tells that a stream could not be connected, and why.
    pub(crate) fn not_connected(self, refusal: &Refusal) {
        self.metrics.connect_errors.inc();
        self.failed(refusal);
    }

    /// Tells that there are too many flows for this one.
    pub(crate) fn rejected(mut self) {
        self.unfinished = None;
        self.metrics.rate_limited.with_label_values(&["tcp"]).inc();
        self.metrics.failed(Class::Limit);
        let facts = &self.facts;
        warn!(
            event = facts.event,
            connIndex = facts.connection,
            originService = &*facts.service,
            ingressRule = facts.rule,
            destAddr = facts.destination,
            flowID = facts.flow,
            "Too many concurrent flows being handled, rejecting tcp proxy",
        );
    }

    /// Lets the request end without a word: what refused it says so by itself.
    pub(crate) fn leave_unsaid(mut self, class: Class) {
        self.unfinished = None;
        self.metrics.failed(class);
    }

    /// Tells that the origin answered, and returns the answer so that its end is told too.
    pub(crate) fn answered(mut self, mut response: Response) -> Response {
        self.unfinished = Some(UNREAD);
        self.observe_first_byte();
        let length = length_of(&response.headers);
        self.wording = response.wording.take();
        let body = Told::body(response.body, self, response.status, length);
        Response { body, ..response }
    }

    /// Tells that the origin accepted a stream, and returns it so that its end is told too.
    ///
    /// `dialed` is when its connection was begun, if one was made just for it; `flow` is its place
    /// among the private flows.
    pub(crate) fn connected(
        mut self,
        connected: Connected,
        dialed: Option<Instant>,
        flow: Option<Flow>,
    ) -> Connected {
        self.unfinished = None;
        self.observe_first_byte();
        Held::hold(connected, self, dialed, flow)
    }

    /// Says `message` for whoever wants to know why.
    pub(crate) fn say(&self, message: impl Display) {
        let facts = &self.facts;
        debug!(
            event = facts.event,
            connIndex = facts.connection,
            originService = &*facts.service,
            ingressRule = facts.rule,
            destAddr = facts.destination,
            flowID = facts.flow,
            cfRay = facts.ray(),
            "{message}",
        );
    }

    /// Tells that the edge acknowledged a stream whose connection was begun at `dialed`.
    pub(crate) fn acknowledged(&self, dialed: Instant) {
        let millis = u32::try_from(dialed.elapsed().as_millis()).unwrap_or(u32::MAX);
        self.metrics.connect_latency.observe(f64::from(millis));
        self.say("proxy stream acknowledged");
    }

    /// Tells that the edge never acknowledged a stream.
    pub(crate) fn unacknowledged(&self) {
        self.metrics.connect_errors.inc();
    }

    /// Tells that an answer is complete.
    pub(crate) fn complete(mut self, status: u16, length: i64) {
        self.unfinished = None;
        self.metrics.answered(status);
        let facts = &self.facts;
        debug!(
            event = facts.event,
            connIndex = facts.connection,
            originService = &*facts.service,
            ingressRule = facts.rule,
            cfRay = facts.ray(),
            "content-length" = length,
            "{}",
            self.status_text(status),
        );
    }

    /// Returns a status in the words of the origin, or in those that belong to it.
    fn status_text(&self, status: u16) -> String {
        match &self.wording {
            Some(wording) => text(wording),
            None => format!("{status} {}", status::words(status)),
        }
    }

    fn failed_with(&self, class: Class, message: &str) {
        self.metrics.errors.inc();
        self.metrics.failed(class);
        let facts = &self.facts;
        if class == Class::Abandoned {
            debug!(
                event = facts.event,
                connIndex = facts.connection,
                originService = &*facts.service,
                ingressRule = facts.rule,
                destAddr = facts.destination,
                flowID = facts.flow,
                cfRay = facts.ray(),
                class = class.name(),
                error = message,
            );
            return;
        }
        error!(
            event = facts.event,
            connIndex = facts.connection,
            originService = &*facts.service,
            ingressRule = facts.rule,
            destAddr = facts.destination,
            flowID = facts.flow,
            cfRay = facts.ray(),
            class = class.name(),
            error = message,
        );
    }

    fn observe_first_byte(&self) {
        if let Some(first_byte) = &self.first_byte {
            first_byte.observe(self.started.elapsed().as_secs_f64());
        }
    }

    fn arrived(&self, incoming: &Incoming) {
        let proto = match incoming.arrival.transport {
            Transport::Quic => "HTTP/1.1",
            Transport::Http2 => "HTTP/2.0",
        };
        let facts = &self.facts;
        debug!(
            event = facts.event,
            connIndex = facts.connection,
            originService = &*facts.service,
            ingressRule = facts.rule,
            cfRay = facts.ray(),
            host = text(&incoming.host),
            path = text(&incoming.path),
            headers = shown(&incoming.headers),
            "content-length" = incoming.length(),
            "{} {} {proto}",
            text(&incoming.method),
            text(&incoming.destination),
        );
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        if let Some(message) = self.unfinished {
            self.failed_with(Class::Abandoned, message);
        }
        self.metrics.concurrent_requests.dec();
        if self.facts.event == TCP {
            self.metrics.tcp_active.dec();
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn length_of(headers: &Headers) -> i64 {
    let length = headers
        .get("Content-Length")
        .and_then(|value| crate::headers::decimal(value));
    length.map_or(-1, u64::cast_signed)
}
