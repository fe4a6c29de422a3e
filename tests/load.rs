//! Visitors who come all the time, each with a question that has one right answer.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use adit_loopback::edge::Edge;
use adit_loopback::request::Request;
use adit_loopback::visitor::Response;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::subject::PATIENCE;

/// Visitors who come at a steady rate until they are told to stop.
pub(crate) struct Load {
    visits: Arc<Visits>,
    arriving: JoinSet<JoinSet<()>>,
    enough: Arc<Notify>,
}

/// What became of the visits so far.
#[derive(Default)]
struct Visits {
    ended: Mutex<Vec<Visit>>,
    news: Notify,
}

/// One visit that has ended.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    /// When it began.
    pub(crate) at: Instant,
    /// The body of the answer, or what went wrong.
    pub(crate) outcome: Result<String, String>,
}

/// How long a visitor waits who has other things to do.
const VISITOR_PATIENCE: Duration = Duration::from_secs(20);

impl Load {
    /// Sends so many requests for `url` each second, on the connections in turn.
    pub(crate) fn on_all(edge: &Edge, url: &'static str, rate: u32) -> Self {
        let visitor = edge.visitor();
        Self::start(rate, move || {
            let visitor = visitor.clone();
            async move {
                let answer = visitor.visit(Request::get(url)).await;
                read(answer.map_err(|error| error.to_string())?).await
            }
        })
    }

    /// Sends so many requests for `url` each second on the connection with this index.
    pub(crate) fn on_one(edge: &Edge, index: u8, url: &'static str, rate: u32) -> Self {
        let connection = edge.connection(index);
        Self::start(rate, move || {
            let connection = connection.clone();
            async move {
                let answer = connection.send(Request::get(url)).await;
                read(answer.map_err(|error| error.to_string())?).await
            }
        })
    }

    fn start<F>(rate: u32, visit: impl Fn() -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<String, String>> + Send + 'static,
    {
        let visits = Arc::<Visits>::default();
        let enough = Arc::<Notify>::default();
        let (noted, stopped) = (Arc::clone(&visits), Arc::clone(&enough));
        let mut arriving = JoinSet::new();
        arriving.spawn(async move {
            let mut going = JoinSet::new();
            let mut ticks = interval(Duration::from_secs(1) / rate);
            // A machine that is late does not make up for it: a burst is another question.
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                tokio::select! {
                    _ = ticks.tick() => {}
                    () = stopped.notified() => return going,
                }
                while going.try_join_next().is_some() {}
                let (visit, noted) = (visit(), Arc::clone(&noted));
                going.spawn(async move {
                    let at = Instant::now();
                    let outcome = tokio::time::timeout(VISITOR_PATIENCE, visit).await;
                    let outcome = outcome.unwrap_or_else(|_elapsed| Err("no answer".to_owned()));
                    noted
                        .ended
                        .lock()
                        .expect("no visitor panics")
                        .push(Visit { at, outcome });
                    noted.news.notify_waiters();
                });
            }
        });
        Self {
            visits,
            arriving,
            enough,
        }
    }

    /// Waits until so many more visits have ended well.
    pub(crate) async fn goes_on(&self, more: usize) {
        let wanted = self.good() + more;
        let gone_on = async {
            loop {
                let news = self.visits.news.notified();
                let mut news = std::pin::pin!(news);
                news.as_mut().enable();
                if self.good() >= wanted {
                    return;
                }
                news.await;
            }
        };
        let gone_on = tokio::time::timeout(PATIENCE, gone_on).await;
        gone_on.unwrap_or_else(|_| panic!("visits end no more: {:?}", self.so_far().last()));
    }

    fn good(&self) -> usize {
        let ended = self.visits.ended.lock().expect("no visitor panics");
        ended.iter().filter(|visit| visit.outcome.is_ok()).count()
    }

    /// Returns the visits that have ended so far.
    pub(crate) fn so_far(&self) -> Vec<Visit> {
        self.visits.ended.lock().expect("no visitor panics").clone()
    }

    /// Lets nobody come any more, waits for those who are there, and returns all visits.
    pub(crate) async fn stop(mut self) -> Vec<Visit> {
        self.enough.notify_one();
        let going = self
            .arriving
            .join_next()
            .await
            .expect("visitors arrive in one task");
        let going = going.expect("no visitor panics");
        going.join_all().await;
        self.so_far()
    }

    /// As [`Self::stop`]; not one visit may have failed.
    pub(crate) async fn stop_without_failure(self) -> Vec<Visit> {
        let visits = self.stop().await;
        let failed = failed(&visits);
        assert!(
            failed.is_empty(),
            "{} of {} failed: {failed:#?}",
            failed.len(),
            visits.len()
        );
        assert!(!visits.is_empty(), "nobody came");
        visits
    }
}

/// Returns the visits that failed.
pub(crate) fn failed(visits: &[Visit]) -> Vec<&Visit> {
    visits.iter().filter(|visit| visit.outcome.is_err()).collect()
}

async fn read(mut answer: Response) -> Result<String, String> {
    if answer.status() != 200 {
        return Err(format!("{} {:?}", answer.status(), answer.head.refusal));
    }
    answer.text().await.map_err(|error| error.to_string())
}
