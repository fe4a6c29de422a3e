//! Part of the edge: an address, a data centre, or everything; what faults of the world happen to.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::error::Error;
use crate::faults::{Direction, Greeting, Loss};
use crate::link::Transport;
use crate::site::Spot;

/// Some addresses of the edge.
#[derive(Clone, Debug)]
pub struct Area(Vec<Arc<Spot>>);

impl Area {
    pub(crate) const fn new(spots: Vec<Arc<Spot>>) -> Self {
        Self(spots)
    }

    /// Returns the addresses.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.0.iter().map(|spot| spot.address).collect()
    }

    /// Loses the addresses, with the connections that came in there.
    pub fn lose(&self, loss: Loss) {
        for spot in &self.0 {
            spot.lose(loss);
        }
    }

    /// Brings the addresses back, on the same ports, with both transports.
    ///
    /// # Errors
    ///
    /// Fails when somebody else has taken a port.
    pub async fn restore(&self) -> Result<(), Error> {
        for spot in &self.0 {
            spot.restore().await?;
        }
        Ok(())
    }

    /// Loses UDP packets in a direction, as a firewall does.
    pub fn silence_udp(&self, direction: Direction) {
        for spot in &self.0 {
            spot.silence_udp(Some(direction));
        }
    }

    /// Closes the UDP ports, so that packets to them are refused.
    pub fn close_udp(&self) {
        for spot in &self.0 {
            spot.close_udp();
        }
    }

    /// Brings UDP back.
    ///
    /// # Errors
    ///
    /// Fails when somebody else has taken a port.
    pub async fn restore_udp(&self) -> Result<(), Error> {
        for spot in &self.0 {
            spot.open_udp().await?;
        }
        Ok(())
    }

    /// Closes the TCP ports and resets their connections.
    pub fn close_tcp(&self) {
        for spot in &self.0 {
            spot.close_tcp();
        }
    }

    /// Brings TCP back.
    ///
    /// # Errors
    ///
    /// Fails when somebody else has taken a port.
    pub async fn restore_tcp(&self) -> Result<(), Error> {
        for spot in &self.0 {
            spot.open_tcp().await?;
        }
        Ok(())
    }

    /// Greets newcomers over both transports in this way.
    pub fn greet(&self, greeting: Greeting) {
        self.greet_over(Transport::Quic, greeting);
        self.greet_over(Transport::Http2, greeting);
    }

    /// Greets newcomers over one transport in this way.
    pub fn greet_over(&self, transport: Transport, greeting: Greeting) {
        for spot in &self.0 {
            spot.greet(transport, greeting);
        }
    }
}
