//! Sans-IO. Which transport to dial with: what the user asked for, what the edge's record says, and
//! what experience says about QUIC.
//!
//! `selection` is the choice at start and its hourly refresh, `belief` what is thought of QUIC
//! since. Together they answer one question, `Transports::plan`: what to dial first, and what to
//! dial beside it if that stays silent.

mod belief;
mod selection;

use std::time::{Duration, Instant};

use adit_exchange::Transport;

use belief::Belief;
pub(crate) use belief::Evidence;
pub use selection::{H2MUX_WARNING, Percentages, Selection, Share, UnknownProtocol, account_hash, read_flag};

use crate::settings::Protocol;

/// Decides about transports for all connections of one tunnel.
#[derive(Clone, Debug)]
pub(crate) struct Transports {
    selection: Selection,
    belief: Belief,
    /// When a connection that runs over the fallback may try QUIC.
    return_at: Option<Instant>,
    /// Returns that failed in a row.
    failed_returns: u8,
}

/// What to dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The transport to begin with.
    pub(crate) first: Transport,
    /// The transport that is dialled beside it, if the first stays silent for [`HEAD_START`] or fails.
    pub(crate) second: Option<Transport>,
}

impl Transports {
    pub(crate) fn new(protocol: Protocol, account: &str) -> Self {
        Self {
            selection: Selection::new(protocol, account),
            belief: Belief::Open,
            return_at: None,
            failed_returns: 0,
        }
    }

    /// Returns the choice and its record.
    pub(crate) const fn selection(&self) -> &Selection {
        &self.selection
    }

    /// Takes note of the record, or of its absence.
    pub(crate) fn learn(&mut self, now: Instant, record: &Result<Percentages, String>) {
        self.selection.learn(now, record);
        if self.better().is_some() && self.return_at.is_none() {
            self.return_at = Some(now + FIRST_RETURN);
        }
    }

    /// Says what to dial for a connection that has failed `failures` times in a row.
    pub(crate) fn plan(&self, failures: u8) -> Plan {
        let first = self.selection.preferred();
        let Some(fallback) = self.selection.fallback() else {
            return Plan { first, second: None };
        };
        match self.belief {
            Belief::Open => Plan {
                first,
                second: Some(fallback),
            },
            // Others are served over QUIC: most likely this address is at fault.
            Belief::Proven => Plan {
                first,
                second: (failures >= PATIENCE).then_some(fallback),
            },
            Belief::Blocked | Belief::Trying => Plan {
                first: fallback,
                second: Some(first),
            },
        }
    }

    /// Returns the transport that connections of the other kind return to, if there is one.
    pub(crate) fn better(&self) -> Option<Transport> {
        self.selection.fallback().map(|_| self.selection.preferred())
    }

    /// Returns when a connection over the fallback may try the better transport.
    pub(crate) fn return_at(&self) -> Option<Instant> {
        self.better().and(self.return_at)
    }

    /// Takes note of what speaks for or against QUIC.
    pub(crate) fn weigh(&mut self, now: Instant, evidence: Evidence) {
        if self.selection.fallback().is_none() {
            return;
        }
        self.belief = self.belief.after(evidence);
        match evidence {
            Evidence::Registered => {
                self.failed_returns = 0;
                self.return_at = Some(now + RETURN_PAUSE);
            }
            Evidence::FallbackWon => {
                self.failed_returns = 0;
                self.return_at = Some(now + FIRST_RETURN);
            }
            Evidence::ReturnFailed => {
                self.failed_returns = self.failed_returns.saturating_add(1);
                let longer = FIRST_RETURN * (1 << self.failed_returns.min(8));
                self.return_at = Some(now + longer.min(LONGEST_RETURN));
            }
            Evidence::ReturnBegun => self.return_at = Some(now + LONGEST_RETURN),
            Evidence::AllLost => {}
        }
    }
}

/// How long the first transport may stay silent before the second is dialled beside it.
///
/// A QUIC handshake takes one round trip, and a lost first packet is sent again after one second: a
/// path that works shows it by now. A host whose UDP is blocked is served over HTTP/2 a few round
/// trips later, well within three seconds.
pub(crate) const HEAD_START: Duration = Duration::from_millis(1200);

/// Failures in a row over QUIC, while other connections are served over it, after which HTTP/2 may help.
const PATIENCE: u8 = 3;

/// The wait before the first return to QUIC. It doubles with each that fails.
const FIRST_RETURN: Duration = Duration::from_secs(5);

/// The longest wait between returns, so that all connections are back on QUIC within two minutes
/// of the moment in which it works again.
const LONGEST_RETURN: Duration = Duration::from_secs(60);

/// The pause between the return of one connection and that of the next: visitors' requests have
/// found the new one before another goes.
const RETURN_PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn transports() -> Transports {
        Transports::new(Protocol::Auto { token: true }, "")
    }

    fn plan(first: Transport, second: Transport) -> Plan {
        Plan {
            first,
            second: Some(second),
        }
    }

    #[test]
    fn quic_is_dialled_first_until_http2_had_to_help() {
        let now = Instant::now();
        let mut transports = transports();
        assert_eq!(transports.plan(0), plan(Transport::Quic, Transport::Http2));
        transports.weigh(now, Evidence::FallbackWon);
        assert_eq!(transports.plan(0), plan(Transport::Http2, Transport::Quic));
        transports.weigh(now, Evidence::AllLost);
        assert_eq!(transports.plan(0), plan(Transport::Http2, Transport::Quic));
    }

    #[test]
    fn returns_come_within_a_minute_of_each_other() {
        let mut now = Instant::now();
        let mut transports = transports();
        transports.weigh(now, Evidence::FallbackWon);
        let mut waits = Vec::new();
        for _ in 0..5 {
            let at = transports.return_at().expect("a return is due one day");
            waits.push((at - now).as_secs());
            now = at;
            transports.weigh(now, Evidence::ReturnBegun);
            transports.weigh(now, Evidence::ReturnFailed);
        }
        assert_eq!(waits, [5, 10, 20, 40, 60]);
    }

    #[test]
    fn an_explicit_choice_never_falls_back() {
        let now = Instant::now();
        for (protocol, transport) in [
            (Protocol::Quic, Transport::Quic),
            (Protocol::Http2, Transport::Http2),
        ] {
            let mut transports = Transports::new(protocol, "");
            transports.weigh(now, Evidence::FallbackWon);
            let only = Plan {
                first: transport,
                second: None,
            };
            assert_eq!(transports.plan(200), only);
            assert_eq!(transports.return_at(), None);
        }
    }

    #[test]
    fn a_single_connection_gets_help_when_quic_works_for_others() {
        let mut transports = transports();
        transports.weigh(Instant::now(), Evidence::Registered);
        assert_eq!(transports.plan(0).second, None);
        assert_eq!(transports.plan(PATIENCE).second, Some(Transport::Http2));
    }
}
