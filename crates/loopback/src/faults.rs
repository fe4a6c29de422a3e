//! Faults to order, as data.
//!
//! Faults of the world (an address that goes dark, certificates that are wrong) are set on the
//! [`crate::edge::Edge`] and hold until they are lifted. Faults of registrations are [`Order`]s: each says which
//! registrations it is for, what happens to them, and how often.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub use crate::gate::Direction;
use crate::link::Transport;

/// What happens to a registration instead of being accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is refused for good, for this reason.
    Refused(String),
    /// It is refused, and the connector may try again after this time.
    Later {
        /// The reason.
        cause: String,
        /// How long the connector shall wait at least.
        after: Duration,
    },
    /// The connector is told that it is connected to this server already.
    Duplicate,
    /// The call fails, with this text.
    Exception(String),
    /// Nothing is ever said.
    Silence,
    /// It is accepted after this time.
    Late(Duration),
}

impl Answer {
    /// Returns the refusal of wrong credentials.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::Refused("Unauthorized: Invalid tunnel secret".to_owned())
    }
}

/// A fault for some registrations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// What happens.
    pub answer: Answer,
    /// Only to the connection with this index.
    pub index: Option<u8>,
    /// Only over this transport.
    pub transport: Option<Transport>,
    /// Only at this address.
    pub address: Option<SocketAddr>,
    /// How many times; without a number until the orders are withdrawn.
    pub times: Option<usize>,
}

impl Order {
    /// Returns an order for every registration.
    #[must_use]
    pub const fn always(answer: Answer) -> Self {
        Self {
            answer,
            index: None,
            transport: None,
            address: None,
            times: None,
        }
    }

    /// Returns an order for the next `times` registrations.
    #[must_use]
    pub fn times(answer: Answer, times: usize) -> Self {
        Self {
            times: Some(times),
            ..Self::always(answer)
        }
    }

    /// Limits the order to one connection.
    #[must_use]
    pub fn on_connection(mut self, index: u8) -> Self {
        self.index = Some(index);
        self
    }

    /// Limits the order to one transport.
    #[must_use]
    pub fn over(mut self, transport: Transport) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Limits the order to one address of the edge.
    #[must_use]
    pub fn at(mut self, address: SocketAddr) -> Self {
        self.address = Some(address);
        self
    }

    fn is_for(&self, attempt: &Attempt) -> bool {
        let matches_index = self.index.is_none_or(|index| index == attempt.index);
        let matches_transport = self
            .transport
            .is_none_or(|transport| transport == attempt.transport);
        let matches_address = self.address.is_none_or(|address| address == attempt.address);
        matches_index && matches_transport && matches_address && self.times != Some(0)
    }
}

/// A registration as orders see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    pub(crate) index: u8,
    pub(crate) transport: Transport,
    pub(crate) address: SocketAddr,
}

/// The orders in force, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Orders(Mutex<Vec<Order>>);

impl Orders {
    pub(crate) fn add(&self, order: Order) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(order);
    }

    pub(crate) fn withdraw(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Returns what the first order that fits says, and uses it up.
    pub(crate) fn take(&self, attempt: &Attempt) -> Option<Answer> {
        let mut orders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let order = orders.iter_mut().find(|order| order.is_for(attempt))?;
        order.times = order.times.map(|times| times - 1);
        Some(order.answer.clone())
    }
}

/// How the edge greets those who open a TLS connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Greeting {
    /// As it should.
    #[default]
    Right,
    /// With a certificate that nobody trusts.
    WrongCertificate,
    /// With an alert that ends the handshake.
    Rejects,
    /// Not at all, although it listens: a TCP connection is accepted, and nothing follows.
    Hangs,
    /// As it should, and from then on it says nothing more.
    Mute,
}

/// How the edge loses an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The path goes dark: packets vanish, nobody is told.
    Silent,
    /// The server dies: its ports are closed, its TCP connections reset.
    Abrupt,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_used_up() {
        let orders = Orders::default();
        orders.add(Order::times(Answer::Duplicate, 1).on_connection(2));
        orders.add(Order::always(Answer::Silence).over(Transport::Http2));
        let attempt = |index, transport| Attempt {
            index,
            transport,
            address: ([127, 0, 0, 1], 1).into(),
        };
        assert_eq!(orders.take(&attempt(1, Transport::Quic)), None);
        assert_eq!(orders.take(&attempt(2, Transport::Quic)), Some(Answer::Duplicate));
        assert_eq!(orders.take(&attempt(2, Transport::Quic)), None);
        assert_eq!(orders.take(&attempt(2, Transport::Http2)), Some(Answer::Silence));
        orders.withdraw();
        assert_eq!(orders.take(&attempt(2, Transport::Http2)), None);
    }
}
