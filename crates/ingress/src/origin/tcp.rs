//! Byte streams carried over WebSocket: `tcp`, `ssh`, `rdp`, `smb`, bastion and SOCKS.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use adit_config::{IpRule, OriginRequest, TcpOrigin};
use adit_exchange::{Io, Refusal, Reply};

use super::World;
use super::bastion;
use super::socks::{self, Reach, Shaking};
use crate::incoming::Incoming;
use crate::policy::Policy;
use crate::telling::Telling;
use crate::websocket;
use adit_dial::{Dialer, Failure};

/// The value of `proxyType` that asks for a SOCKS handshake.
const SOCKS: &str = "socks";

/// A service that is a byte stream.
#[derive(Debug)]
pub(crate) struct StreamOrigin {
    place: Place,
    dialer: Dialer,
    /// Whether clients expect a SOCKS handshake before the bytes of the destination.
    shakes: bool,
}

/// Where streams lead.
#[derive(Debug)]
enum Place {
    Fixed {
        address: String,
        display: String,
    },
    Bastion,
    Socks {
        policy: Arc<Policy>,
        reach: Arc<dyn Reach>,
    },
}

impl StreamOrigin {
    /// Returns the service behind one address.
    pub(crate) fn fixed(
        origin: &TcpOrigin,
        display: String,
        settings: &OriginRequest,
        world: &World<'_>,
    ) -> Self {
        let address = origin.authority.clone();
        Self::new(Place::Fixed { address, display }, settings, world)
    }

    /// Returns the service whose visitors name the destination.
    pub(crate) fn bastion(settings: &OriginRequest, world: &World<'_>) -> Self {
        Self::new(Place::Bastion, settings, world)
    }

    /// Returns the service that is a SOCKS server with these rules.
    pub(crate) fn socks(rules: &[IpRule], settings: &OriginRequest, world: &World<'_>) -> Self {
        let place = Place::Socks {
            policy: Arc::new(Policy::new(rules)),
            reach: Arc::new(socks::dialer(world.names)),
        };
        Self::new(place, settings, world)
    }

    fn new(place: Place, settings: &OriginRequest, world: &World<'_>) -> Self {
        Self {
            place,
            dialer: Dialer::new(
                world.names.clone(),
                settings.connect_timeout,
                settings.tcp_keep_alive,
            ),
            shakes: settings.proxy_type == SOCKS,
        }
    }

    /// Connects a stream and tells about it.
    ///
    /// # Errors
    ///
    /// Refuses when the visitor names no destination, and when it cannot be reached.
    pub(crate) async fn call(&self, mut incoming: Incoming, mut telling: Telling) -> Result<Reply, Refusal> {
        let began = SystemTime::now();
        let trace = incoming.trace.take();
        let (address, shown) = match self.destination(&incoming) {
            Ok(destination) => destination,
            Err(refusal) => {
                telling.leave_unsaid(refusal.class);
                return Err(refusal);
            }
        };
        telling.towards(shown);
        let dialed = Instant::now();
        let io = match self.connect(&address).await {
            Ok(io) => io,
            Err(failure) => {
                let refusal = Refusal::from(failure);
                telling.not_connected(&refusal);
                return Err(refusal);
            }
        };
        telling.say("origin connection established");
        let mut connected = websocket::connected(&incoming.headers, incoming.body, io);
        if let Some(mut trace) = trace {
            trace.add("stream-connect", began, Vec::new(), false);
            trace.report(&mut connected.headers);
        }
        Ok(Reply::Connected(telling.connected(connected, Some(dialed), None)))
    }

    /// Returns what is dialed and what logs show of it.
    fn destination(&self, incoming: &Incoming) -> Result<(String, String), Refusal> {
        match &self.place {
            Place::Fixed { address, display } => Ok((address.clone(), display.clone())),
            Place::Bastion => {
                let named = bastion::destination(&incoming.headers)?;
                Ok((named.clone(), named))
            }
            Place::Socks { .. } => Ok((String::new(), String::from("socks-proxy"))),
        }
    }

    async fn connect(&self, address: &str) -> Result<Box<dyn Io>, Failure> {
        if let Place::Socks { policy, reach } = &self.place {
            let (policy, reach) = (Arc::clone(policy), Arc::clone(reach));
            return Ok(Shaking::boxed(move |client| {
                socks::serve(client, Some(policy), reach)
            }));
        }
        let stream = self.dialer.connect(address).await?;
        if !self.shakes {
            return Ok(Box::new(stream));
        }
        let reach = Arc::new(socks::Reached::new(stream)?);
        Ok(Shaking::boxed(move |client| socks::serve(client, None, reach)))
    }
}
