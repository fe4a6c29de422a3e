//! Accepts the streams of the edge, each into a task of the connection.

use std::sync::Arc;

use quinn::{Connection, ConnectionError, VarInt};
use tokio::task::JoinSet;

use super::dial::STREAMS;
use super::stream;
use crate::connection::Lane;
use crate::report;

/// The streams of one connection. Dropping it resets them.
#[derive(Debug)]
pub(super) struct Streams {
    connection: Connection,
    lane: Arc<Lane>,
    tasks: JoinSet<()>,
    permitted: u32,
}

impl Streams {
    /// Prepares to accept.
    pub(super) fn new(connection: Connection, lane: Arc<Lane>) -> Self {
        Self {
            connection,
            lane,
            tasks: JoinSet::new(),
            permitted: STREAMS,
        }
    }

    /// Accepts streams and reaps those that have ended, until the connection ends.
    ///
    /// It may be dropped at any time and called again.
    pub(super) async fn accept(&mut self) -> ConnectionError {
        loop {
            if let Err(error) = self.accept_until_change().await {
                return error;
            }
        }
    }

    /// Accepts one stream, or reaps one.
    pub(super) async fn accept_until_change(&mut self) -> Result<(), ConnectionError> {
        tokio::select! {
            accepted = self.connection.accept_bi() => {
                let (send, recv) = accepted?;
                let rtt = self.connection.rtt();
                self.tasks.spawn(stream::serve(send, recv, Arc::clone(&self.lane), rtt));
                self.keep_ahead();
            }
            Some(ended) = self.tasks.join_next() => reap(&self.lane, ended),
        }
        Ok(())
    }

    /// Returns whether no stream is being served.
    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Lets the edge open more streams before it has to wait.
    fn keep_ahead(&mut self) {
        let open = u32::try_from(self.tasks.len()).unwrap_or(u32::MAX);
        if self.permitted < MOST_STREAMS && self.permitted - open.min(self.permitted) < AHEAD {
            self.permitted += AHEAD;
            self.connection
                .set_max_concurrent_bi_streams(VarInt::from_u32(self.permitted));
        }
    }
}

fn reap(lane: &Lane, ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        report::stream_panicked(&lane.whereabouts);
    }
}

/// Streams that the edge can open at any time without asking.
const AHEAD: u32 = 1024;
/// What one connection serves at most: some KiB each.
const MOST_STREAMS: u32 = 1 << 16;
