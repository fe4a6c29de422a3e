//! Drives load over a road and measures it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use crate::Trouble;
use crate::lane::{Gauge, Lane, Road};
use crate::metric::{Figures, Metric};
use crate::pace::Pace;
use crate::process::{Process, Used};
use crate::scenario::{Page, Work};

/// How long a turn runs and how long of it counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) warm_up: Duration,
    pub(crate) window: Duration,
}

/// What one worker has seen.
struct Tally {
    operations: u64,
    latency: Latency,
}

/// Latencies in nanoseconds.
type Latency = Histogram<u32>;

/// Everything below a microsecond is one; nothing takes longer than a minute.
const SHORTEST: u64 = 1_000;
const LONGEST: u64 = 60_000_000_000;
const DIGITS: u8 = 3;
/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How long the last operations of a turn may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Requests at a fixed rate that may be under way; what is due beyond that waits here, and its
/// latency grows.
const MOST_OPEN: usize = 2_000;
/// Requests that may wait here; more would only fill the memory.
const MOST_WAITING: usize = 200_000;
/// Downloads beside small requests.
const DOWNLOADS: usize = 4;
/// Streams that requests at a fixed rate begin with: a multiple of the connections.
const LANES: usize = 16;

impl Tally {
    fn new() -> Result<Self, Trouble> {
        Ok(Self {
            operations: 0,
            latency: Histogram::new_with_bounds(SHORTEST, LONGEST, DIGITS)?,
        })
    }

    fn note(&mut self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(LONGEST);
        self.operations += 1;
        self.latency.saturating_record(nanoseconds);
    }

    fn add(&mut self, other: &Self) -> Result<(), Trouble> {
        self.operations += other.operations;
        Ok(self.latency.add(&other.latency)?)
    }
}

/// Keeps so many streams busy, each with one operation after the other.
pub(crate) async fn closed(
    road: &Road,
    (work, streams): (Work, usize),
    times: Times,
    connector: Option<&Process>,
) -> Result<Figures, Trouble> {
    let gauge = Arc::new(Gauge::default());
    let mut workers = JoinSet::new();
    for number in 0..streams {
        workers.spawn(busy(road.lane(number, work), Arc::clone(&gauge)));
    }
    let watched = watch(&gauge, times, connector, &mut workers).await?;
    let mut all = Tally::new()?;
    for tally in finish(&gauge, workers).await? {
        all.add(&tally)?;
    }
    Ok(watched.figures(&all, gauge.bytes.load(Ordering::Relaxed), work.is_bulk()))
}

/// Sends small requests at a rate that does not depend on the answers. Latency counts from when a
/// request was due, so that nothing hides behind a request that had to wait to be sent.
pub(crate) async fn open(
    road: &Arc<Road>,
    (work, rate): (Work, f64),
    times: Times,
    connector: Option<&Process>,
) -> Result<Figures, Trouble> {
    let gauge = Arc::new(Gauge::default());
    let mut workers = JoinSet::new();
    workers.spawn(paced(Arc::clone(road), (work, rate), Arc::clone(&gauge)));
    let watched = watch(&gauge, times, connector, &mut workers).await?;
    let mut all = Tally::new()?;
    for tally in finish(&gauge, workers).await? {
        all.add(&tally)?;
    }
    Ok(watched.figures(&all, gauge.bytes.load(Ordering::Relaxed), false))
}

/// Sends small requests at a rate while large downloads run; latency is that of the small ones,
/// throughput that of everything.
pub(crate) async fn mixed(
    road: &Arc<Road>,
    rate: f64,
    times: Times,
    connector: Option<&Process>,
) -> Result<Figures, Trouble> {
    let gauge = Arc::new(Gauge::default());
    let mut small = JoinSet::new();
    small.spawn(paced(
        Arc::clone(road),
        (Work::Get(Page::Kib), rate),
        Arc::clone(&gauge),
    ));
    let mut large = JoinSet::new();
    for number in 0..DOWNLOADS {
        large.spawn(busy(
            road.lane(number, Work::Get(Page::Large)),
            Arc::clone(&gauge),
        ));
    }
    let watched = watch(&gauge, times, connector, &mut small).await?;
    let mut all = Tally::new()?;
    for tally in finish(&gauge, small).await? {
        all.add(&tally)?;
    }
    // Downloads that are under way when the turn is over need not be finished.
    large.abort_all();
    while let Some(ended) = large.join_next().await {
        if let Ok(tally) = ended {
            tally?;
        }
    }
    Ok(watched.figures(&all, gauge.bytes.load(Ordering::Relaxed), true))
}

async fn busy(mut lane: Lane, gauge: Arc<Gauge>) -> Result<Tally, Trouble> {
    let mut tally = Tally::new()?;
    while !gauge.is_over.load(Ordering::Relaxed) {
        let began = Instant::now();
        lane.operate(&gauge).await?;
        if gauge.counts.load(Ordering::Relaxed) {
            tally.note(began.elapsed());
        }
    }
    Ok(tally)
}

async fn paced(road: Arc<Road>, (work, rate): (Work, f64), gauge: Arc<Gauge>) -> Result<Tally, Trouble> {
    let mut tally = Tally::new()?;
    let mut pace = Pace::new(rate)?;
    let mut open = JoinSet::new();
    let mut waiting = VecDeque::new();
    // Taken in turn, so that every connection gets its share.
    let mut free: VecDeque<Lane> = (0..LANES).map(|number| road.lane(number, work)).collect();
    let mut made = LANES;
    loop {
        while open.len() < MOST_OPEN
            && let Some(due) = waiting.pop_front()
        {
            let lane = free.pop_front().unwrap_or_else(|| {
                made += 1;
                road.lane(made, work)
            });
            open.spawn(once(lane, due, Arc::clone(&gauge)));
        }
        let is_over = gauge.is_over.load(Ordering::Relaxed);
        tokio::select! {
            due = pace.due(), if !is_over => {
                let counts = gauge.counts.load(Ordering::Relaxed);
                waiting.extend(due?.into_iter().map(|at| Due { at, counts }));
                if waiting.len() >= MOST_WAITING {
                    return Err(format!("{MOST_WAITING} requests wait: the rate is too high").into());
                }
            }
            Some(done) = open.join_next() => {
                let (lane, latency) = done??;
                free.push_back(lane);
                if let Some(latency) = latency {
                    tally.note(latency);
                }
            }
            else => return Ok(tally),
        }
    }
}

/// A request that is due.
#[derive(Clone, Copy)]
struct Due {
    at: Instant,
    counts: bool,
}

/// Does one operation that was due; returns how long it took if that counts.
async fn once(mut lane: Lane, due: Due, gauge: Arc<Gauge>) -> Result<(Lane, Option<Duration>), Trouble> {
    lane.operate(&gauge).await?;
    Ok((lane, due.counts.then(|| due.at.elapsed())))
}

/// What was seen of the connector during a turn.
struct Watched {
    time: Duration,
    used: Option<Used>,
    peak_anonymous: u64,
    peak_resident: u64,
}

/// Lets a turn warm up and then run for as long as it counts; fails with the first worker.
async fn watch(
    gauge: &Gauge,
    times: Times,
    connector: Option<&Process>,
    workers: &mut JoinSet<Result<Tally, Trouble>>,
) -> Result<Watched, Trouble> {
    unharmed(times.warm_up, workers).await?;
    let before = connector.map(Process::usage).transpose()?;
    gauge.counts.store(true, Ordering::Relaxed);
    let began = Instant::now();
    let mut peak_anonymous = 0;
    while began.elapsed() < times.window {
        unharmed(LOOK.min(times.window.saturating_sub(began.elapsed())), workers).await?;
        let anonymous = connector.map(Process::anonymous).transpose()?;
        peak_anonymous = peak_anonymous.max(anonymous.unwrap_or_default());
    }
    let after = connector.map(Process::usage).transpose()?;
    gauge.counts.store(false, Ordering::Relaxed);
    let memory = connector.map(Process::memory).transpose()?;
    Ok(Watched {
        time: began.elapsed(),
        used: before.zip(after).map(|(before, after)| before.until(&after)),
        peak_anonymous,
        peak_resident: memory.map(|memory| memory.peak_resident).unwrap_or_default(),
    })
}

/// Waits, unless a worker fails.
async fn unharmed(time: Duration, workers: &mut JoinSet<Result<Tally, Trouble>>) -> Result<(), Trouble> {
    tokio::select! {
        () = tokio::time::sleep(time) => Ok(()),
        Some(ended) = workers.join_next() => {
            ended??;
            Err("a worker has ended before its time".into())
        }
    }
}

async fn finish(gauge: &Gauge, mut workers: JoinSet<Result<Tally, Trouble>>) -> Result<Vec<Tally>, Trouble> {
    gauge.is_over.store(true, Ordering::Relaxed);
    let mut tallies = Vec::new();
    let all = async {
        while let Some(ended) = workers.join_next().await {
            tallies.push(ended??);
        }
        Ok::<_, Trouble>(())
    };
    let ended = tokio::time::timeout(PATIENCE, all).await;
    ended.map_err(|_elapsed| "the last operations do not end")??;
    Ok(tallies)
}

impl Watched {
    fn figures(&self, tally: &Tally, bytes: u64, is_bulk: bool) -> Figures {
        let seconds = self.time.as_secs_f64();
        let operations = tally.operations as f64;
        let mut figures = Figures::from([
            (Metric::Rate, operations / seconds),
            (Metric::Throughput, bytes as f64 / MIB / seconds),
        ]);
        if tally.operations > 0 {
            let percentiles = [
                (Metric::P50, 0.5),
                (Metric::P90, 0.9),
                (Metric::P99, 0.99),
                (Metric::P999, 0.999),
            ];
            let at = |quantile| tally.latency.value_at_quantile(quantile) as f64 / 1000.0;
            figures.extend(percentiles.map(|(metric, quantile)| (metric, at(quantile))));
        }
        if let Some(used) = &self.used {
            let cpu = used.cpu.as_secs_f64();
            figures.extend([
                (Metric::Busy, 100.0 * cpu / seconds),
                (Metric::Threads, used.threads as f64),
                (Metric::PeakAnonymous, self.peak_anonymous as f64 / MIB),
                (Metric::PeakResident, self.peak_resident as f64 / MIB),
            ]);
            if is_bulk {
                figures.insert(Metric::CpuPerGib, cpu / (bytes as f64 / MIB / 1024.0));
            } else {
                figures.insert(Metric::CpuPerOperation, cpu * 1e6 / operations);
                figures.insert(Metric::Switches, used.switches as f64 / operations);
            }
        }
        figures
    }
}

const MIB: f64 = 1024.0 * 1024.0;
