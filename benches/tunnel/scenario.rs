//! What is compared.

/// One comparison.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) shape: Shape,
}

/// What happens in a turn.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// So many streams are busy, each with one operation after the other.
    Load(Work, usize),
    /// Small requests arrive at a rate that does not depend on the answers: these shares of what
    /// the slower connector can do.
    Rates(&'static [u32]),
    /// Small requests arrive at this rate while every connection carries a large download.
    Mixed(u32),
    /// Streams are opened and held; memory is looked at after so many.
    Held(Carrier, &'static [usize]),
    /// Nothing happens.
    Idle,
    /// The connector is started and stopped.
    Start,
}

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// A request for a page.
    Get(Page),
    /// An upload of so many bytes.
    Upload(u64),
    /// A message of so many bytes on an open stream, and its echo.
    Echo(Carrier, usize),
    /// A new stream to the origin, one small message and its echo, and the end.
    Churn(Carrier),
}

/// A page of the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    Empty,
    Kib,
    Mib,
    Large,
    /// One KiB, after which the origin closes the connection.
    Closing,
}

/// What carries messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// A WebSocket to an HTTP origin.
    WebSocket,
    /// A TCP stream of a private network.
    Tcp,
}

const MIB: u64 = 1024 * 1024;
/// Bytes of a large body.
pub(crate) const LARGE: u64 = 100 * MIB;
/// Bytes of a small message.
pub(crate) const SMALL: usize = 64;
const MEDIUM: usize = 16 * 1024;
/// Streams that are opened and closed at the same time.
const CHURNING: usize = 16;
/// How many streams are open when memory is looked at.
const STEPS: &[usize] = &[0, 250, 500, 1000, 2000, 3500, 5000];

impl Page {
    pub(crate) const fn length(self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Kib | Self::Closing => 1024,
            Self::Mib => MIB,
            Self::Large => LARGE,
        }
    }

    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Empty => "/empty",
            Self::Kib => "/kib",
            Self::Mib => "/mib",
            Self::Large => "/large",
            Self::Closing => "/closing",
        }
    }
}

impl Work {
    /// Returns whether each operation opens a connection to the origin.
    pub(crate) const fn is_churn(self) -> bool {
        matches!(self, Self::Get(Page::Closing) | Self::Churn(_))
    }

    /// Returns whether bytes count, more than operations.
    pub(crate) const fn is_bulk(self) -> bool {
        matches!(self, Self::Get(Page::Mib | Page::Large) | Self::Upload(_))
    }
}

const fn load(name: &'static str, about: &'static str, work: Work, streams: usize) -> Scenario {
    Scenario {
        name,
        about,
        shape: Shape::Load(work, streams),
    }
}

const fn echo(
    name: &'static str,
    about: &'static str,
    carrier: Carrier,
    (message, streams): (usize, usize),
) -> Scenario {
    load(name, about, Work::Echo(carrier, message), streams)
}

use Carrier::{Tcp, WebSocket};

/// All comparisons.
pub(crate) const SCENARIOS: &[Scenario] = &[
    load(
        "get-empty-1",
        "GET without body, 1 stream",
        Work::Get(Page::Empty),
        1,
    ),
    load(
        "get-empty-32",
        "GET without body, 32 streams",
        Work::Get(Page::Empty),
        32,
    ),
    load(
        "get-empty-128",
        "GET without body, 128 streams",
        Work::Get(Page::Empty),
        128,
    ),
    load("get-1k-1", "GET 1 KiB, 1 stream", Work::Get(Page::Kib), 1),
    load("get-1k-32", "GET 1 KiB, 32 streams", Work::Get(Page::Kib), 32),
    load("get-1k-128", "GET 1 KiB, 128 streams", Work::Get(Page::Kib), 128),
    load("down-1m", "download of 1 MiB, 8 streams", Work::Get(Page::Mib), 8),
    load(
        "down-100m",
        "download of 100 MiB, 1 stream",
        Work::Get(Page::Large),
        1,
    ),
    load("up-100m", "upload of 100 MiB, 1 stream", Work::Upload(LARGE), 1),
    echo(
        "ws-64-1",
        "WebSocket echo of 64 B, 1 stream",
        WebSocket,
        (SMALL, 1),
    ),
    echo(
        "ws-64-8",
        "WebSocket echo of 64 B, 8 streams",
        WebSocket,
        (SMALL, 8),
    ),
    echo(
        "ws-64-64",
        "WebSocket echo of 64 B, 64 streams",
        WebSocket,
        (SMALL, 64),
    ),
    echo(
        "ws-16k-1",
        "WebSocket echo of 16 KiB, 1 stream",
        WebSocket,
        (MEDIUM, 1),
    ),
    echo(
        "ws-16k-8",
        "WebSocket echo of 16 KiB, 8 streams",
        WebSocket,
        (MEDIUM, 8),
    ),
    echo(
        "ws-16k-64",
        "WebSocket echo of 16 KiB, 64 streams",
        WebSocket,
        (MEDIUM, 64),
    ),
    echo("tcp-64-1", "TCP echo of 64 B, 1 stream", Tcp, (SMALL, 1)),
    echo("tcp-64-8", "TCP echo of 64 B, 8 streams", Tcp, (SMALL, 8)),
    echo("tcp-64-64", "TCP echo of 64 B, 64 streams", Tcp, (SMALL, 64)),
    echo("tcp-16k-1", "TCP echo of 16 KiB, 1 stream", Tcp, (MEDIUM, 1)),
    echo("tcp-16k-8", "TCP echo of 16 KiB, 8 streams", Tcp, (MEDIUM, 8)),
    echo("tcp-16k-64", "TCP echo of 16 KiB, 64 streams", Tcp, (MEDIUM, 64)),
    load(
        "churn-http",
        "GET 1 KiB, a new origin connection each time",
        Work::Get(Page::Closing),
        CHURNING,
    ),
    load(
        "churn-ws",
        "a new WebSocket for each message",
        Work::Churn(WebSocket),
        CHURNING,
    ),
    load(
        "churn-tcp",
        "a new TCP stream for each message",
        Work::Churn(Tcp),
        CHURNING,
    ),
    Scenario {
        name: "rate",
        about: "GET 1 KiB at the same offered load for both",
        shape: Shape::Rates(&[25, 50, 75, 90]),
    },
    Scenario {
        name: "mixed",
        about: "GET 1 KiB beside a 100 MiB download on every connection",
        shape: Shape::Mixed(200),
    },
    Scenario {
        name: "held-ws",
        about: "open WebSockets without traffic",
        shape: Shape::Held(WebSocket, STEPS),
    },
    Scenario {
        name: "held-tcp",
        about: "open TCP streams without traffic",
        shape: Shape::Held(Tcp, STEPS),
    },
    Scenario {
        name: "idle",
        about: "registered, without traffic",
        shape: Shape::Idle,
    },
    Scenario {
        name: "start",
        about: "start to registrations, SIGTERM to exit",
        shape: Shape::Start,
    },
];
