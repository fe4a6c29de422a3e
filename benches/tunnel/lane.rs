//! The ways that load can take, and one worker's place on each of them.

mod direct;
mod relayed;
mod tunnelled;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;

pub(crate) use direct::Direct;
pub(crate) use relayed::{Door, Relayed, relay};
pub(crate) use tunnelled::{Tunnelled, host};

use crate::Trouble;
use crate::origin::{DOORS, message};
use crate::scenario::{Carrier, Page, SMALL, Work};

/// A way from the load to the origin.
#[derive(Debug)]
pub(crate) enum Road {
    /// Through a connector.
    Tunnel(Tunnelled),
    /// Straight to the origin.
    Direct(Direct),
    /// Through a bare relay of QUIC streams.
    Relay(Relayed),
}

/// One worker's place on a road, prepared for one kind of work.
#[derive(Debug)]
pub(crate) struct Lane {
    way: Way,
    work: Work,
    message: Bytes,
    pipe: Option<Pipe>,
}

#[derive(Debug)]
enum Way {
    Tunnel(Box<tunnelled::Lane>),
    Direct(direct::Lane),
    Relay(relayed::Lane),
}

/// Which door of the origin is next.
#[derive(Clone, Copy, Debug)]
struct Rota {
    next: usize,
    is_churn: bool,
}

/// An open stream to an echo.
#[derive(Debug)]
pub(crate) enum Pipe {
    Tunnel(tunnelled::Pipe),
    Direct(direct::Pipe),
    Relay(relayed::Pipe),
}

/// What all workers of a turn look at.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    /// Whether what happens now counts.
    pub(crate) counts: AtomicBool,
    /// Whether it is time to stop.
    pub(crate) is_over: AtomicBool,
    /// Bytes of bodies and messages that counted; an echo counts once.
    pub(crate) bytes: AtomicU64,
}

impl Rota {
    /// Workers that open a connection for each operation go round all doors, each from a door of
    /// its own; all others keep to the first.
    const fn new(number: usize, work: Work) -> Self {
        Self {
            next: number,
            is_churn: work.is_churn(),
        }
    }

    const fn door(&mut self) -> usize {
        if !self.is_churn {
            return 0;
        }
        self.next = (self.next + 1) % DOORS;
        self.next
    }
}

impl Gauge {
    /// Counts bytes.
    pub(crate) fn passed(&self, bytes: usize) {
        if self.counts.load(Ordering::Relaxed) {
            self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }
}

impl Road {
    /// Returns the place of the worker with this number.
    pub(crate) fn lane(&self, number: usize, work: Work) -> Lane {
        let way = match self {
            Self::Tunnel(road) => Way::Tunnel(Box::new(road.lane(number, work))),
            Self::Direct(road) => Way::Direct(road.lane(number, work)),
            Self::Relay(road) => Way::Relay(road.lane(number, work)),
        };
        let message = match work {
            Work::Echo(carrier, length) => message(carrier, length),
            Work::Churn(carrier) => message(carrier, SMALL),
            Work::Get(_) | Work::Upload(_) => Vec::new(),
        };
        Lane {
            way,
            work,
            message: message.into(),
            pipe: None,
        }
    }
}

impl Lane {
    /// Does the work once.
    pub(crate) async fn operate(&mut self, gauge: &Gauge) -> Result<(), Trouble> {
        match self.work {
            Work::Get(page) => self.get(page, gauge).await,
            Work::Upload(length) => match &mut self.way {
                Way::Tunnel(lane) => lane.upload(length, gauge).await,
                Way::Direct(lane) => lane.upload(length, gauge).await,
                Way::Relay(lane) => lane.upload(length, gauge).await,
            },
            Work::Echo(carrier, _) => {
                let mut pipe = match self.pipe.take() {
                    Some(pipe) => pipe,
                    None => self.open(carrier).await?,
                };
                pipe.echo(&self.message).await?;
                gauge.passed(self.message.len());
                self.pipe = Some(pipe);
                Ok(())
            }
            Work::Churn(carrier) => {
                let mut pipe = self.open(carrier).await?;
                pipe.echo(&self.message).await?;
                pipe.close().await
            }
        }
    }

    /// Opens a stream and leaves it open.
    pub(crate) async fn hold(&mut self, carrier: Carrier) -> Result<Pipe, Trouble> {
        let mut pipe = self.open(carrier).await?;
        pipe.echo(&self.message).await?;
        Ok(pipe)
    }

    async fn get(&mut self, page: Page, gauge: &Gauge) -> Result<(), Trouble> {
        match &mut self.way {
            Way::Tunnel(lane) => lane.get(page, gauge).await,
            Way::Direct(lane) => lane.get(page, gauge).await,
            Way::Relay(lane) => lane.get(page, gauge).await,
        }
    }

    async fn open(&mut self, carrier: Carrier) -> Result<Pipe, Trouble> {
        Ok(match &mut self.way {
            Way::Tunnel(lane) => Pipe::Tunnel(lane.open(carrier).await?),
            Way::Direct(lane) => Pipe::Direct(lane.open(carrier).await?),
            Way::Relay(lane) => Pipe::Relay(lane.open(carrier).await?),
        })
    }
}

impl Pipe {
    async fn echo(&mut self, message: &Bytes) -> Result<(), Trouble> {
        match self {
            Self::Tunnel(pipe) => pipe.echo(message).await,
            Self::Direct(pipe) => pipe.echo(message).await,
            Self::Relay(pipe) => pipe.echo(message).await,
        }
    }

    async fn close(self) -> Result<(), Trouble> {
        match self {
            Self::Tunnel(pipe) => pipe.close().await,
            Self::Direct(pipe) => pipe.close().await,
            Self::Relay(pipe) => pipe.close().await,
        }
    }
}

/// What uploads are made of.
static BODY: [u8; 64 * 1024] = [b'u'; 64 * 1024];

/// Returns the next part of an upload of which so much is left.
fn part(left: u64) -> Bytes {
    let length = left.min(BODY.len() as u64) as usize;
    Bytes::from_static(&BODY[..length])
}

fn wrong(got: u64, expected: u64) -> Trouble {
    format!("{got} bytes have come instead of {expected}").into()
}
