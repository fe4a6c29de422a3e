//! TCP streams to addresses in a private network.

pub(crate) mod address;
mod limited;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use adit_config::WarpRouting;
use adit_dial::{Dialer, Names};
use adit_exchange::{Class, Connected, Refusal, Reply, Request};
use tokio::net::TcpStream;

use self::limited::Limited;
use crate::flows::Flows;
use crate::metrics::Metrics;
use crate::telling::Telling;
use crate::trace::Trace;
use crate::websocket;

/// The way to private addresses.
#[derive(Debug)]
pub(crate) struct Private {
    dialer: Dialer,
    /// The longest that an origin may take to accept what it is sent.
    write_limit: Option<Duration>,
}

impl Private {
    /// Returns the way with these settings.
    pub(crate) fn new(names: Names, settings: &WarpRouting, write_limit: Option<Duration>) -> Self {
        Self {
            dialer: Dialer::new(names, settings.connect_timeout, settings.tcp_keep_alive),
            write_limit,
        }
    }

    /// Connects a stream.
    ///
    /// # Errors
    ///
    /// Refuses when there are too many flows, when the destination is no address, and when it
    /// cannot be reached.
    pub(crate) async fn call(
        &self,
        request: Request,
        flows: &Flows,
        metrics: &Arc<Metrics>,
    ) -> Result<Reply, Refusal> {
        let telling = Telling::begin_private(metrics, &request);
        let flow = match flows.acquire() {
            Ok(flow) => flow,
            Err(error) => {
                telling.rejected();
                let text = format!("failed to start tcp flow due to rate limiting: {error}");
                return Err(Refusal::new(Class::Limit, text));
            }
        };
        telling.say("tcp proxy stream started");
        let destination = match address::parse(&request.destination) {
            Ok(destination) => destination,
            Err(text) => {
                let refusal = Refusal::new(Class::Request, text);
                telling.failed(&refusal);
                return Err(refusal);
            }
        };
        let trace = Trace::of_stream(&request.arrival.trace, &request.headers);
        let (dialed, began) = (Instant::now(), SystemTime::now());
        let io = match self.connect(destination).await {
            Ok(io) => Limited::boxed(io, self.write_limit),
            Err(refusal) => {
                telling.not_connected(&refusal);
                return Err(refusal);
            }
        };
        telling.say("origin connection established");
        let mut headers = websocket::acknowledgement(&request.headers);
        if let Some(mut trace) = trace {
            trace.add("stream-connect", began, Vec::new(), false);
            trace.report(&mut headers);
        }
        let connected = Connected {
            headers,
            body: request.body,
            io,
        };
        Ok(Reply::Connected(telling.connected(
            connected,
            Some(dialed),
            Some(flow),
        )))
    }

    async fn connect(&self, destination: std::net::SocketAddr) -> Result<TcpStream, Refusal> {
        let connected = self.dialer.connect_to(destination).await;
        connected.map_err(|failure| {
            let text = format!("unable to dial tcp to origin {destination}: {}", failure.cause);
            Refusal::new(failure.class, text)
        })
    }
}
