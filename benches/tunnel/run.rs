//! A run: every scenario, each connector in turn.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use adit_loopback::Transport;
use futures_util::{StreamExt, TryStreamExt, stream};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::Trouble;
use crate::arguments::Plan;
use crate::connector::{Connector, Subject};
use crate::distance::Distances;
use crate::lane::{Direct, Door, Pipe, Road};
use crate::load::{self, Times};
use crate::metric::{Figures, Metric, digits};
use crate::origin::Ports;
use crate::process::{Cores, Process, show};
use crate::results::{Key, Results};
use crate::scenario::{Carrier, Page, Scenario, Shape, Work};

/// The name of the floor without anything between load and origin.
pub(crate) const DIRECT: &str = "origin alone";
/// The name of the floor with nothing but QUIC between.
pub(crate) const RELAY: &str = "bare QUIC relay";

/// A run under way.
pub(crate) struct Run {
    plan: Plan,
    cores: Cores,
    subjects: Vec<Subject>,
    origin: Ports,
    origin_process: Process,
    results: Results,
    done: usize,
}

/// What drives a turn.
#[derive(Clone, Copy, Debug)]
enum Drive {
    Closed(Work, usize),
    Open(Work, f64),
    Mixed(f64),
}

/// Who has turns.
struct Runner {
    name: String,
    road: Arc<Road>,
    process: Option<Process>,
    connector: Option<Connector>,
    failed: bool,
}

/// A relay that runs, with the file it trusts.
struct Relay {
    process: Process,
    road: Road,
    _folder: TempDir,
}

const KIB: f64 = 1024.0;
const MIB: f64 = KIB * KIB;
/// Streams with which the capacity of a connector is found.
const BUSY: usize = 32;
/// Streams that are being opened at the same time.
const OPENING: usize = 32;
/// How long a connector is left alone before its memory is looked at.
const SETTLE: Duration = Duration::from_secs(1);
/// Turns side by side that are begun until the cores stay where they are.
const ATTEMPTS: usize = 3;
/// Starts of each connector in a round.
const STARTS: usize = 4;

impl Run {
    /// Starts the origin.
    pub(crate) async fn prepare(plan: Plan, cores: Cores) -> Result<Self, Trouble> {
        let mut subjects = vec![Subject::new(&plan.subject)];
        subjects.extend(plan.against.as_deref().map(Subject::new));
        if let [ours, theirs] = &mut *subjects
            && ours.name == theirs.name
        {
            // Two builds of one program.
            theirs.name = format!("{} (other)", theirs.name);
        }
        let (origin_process, origin) = start_origin().await?;
        let results = Results::new(&plan, &cores, &subjects)?;
        Ok(Self {
            plan,
            cores,
            subjects,
            origin,
            origin_process,
            results,
            done: 0,
        })
    }

    /// Runs everything.
    pub(crate) async fn run(mut self) -> Result<Results, Trouble> {
        for transport in self.plan.transports.clone() {
            for scenario in self.plan.scenarios.clone() {
                self.done += 1;
                self.scenario(scenario, transport).await?;
            }
        }
        self.origin_process.stop().await?;
        Ok(self.results)
    }

    async fn scenario(&mut self, scenario: &'static Scenario, transport: Transport) -> Result<(), Trouble> {
        let key = Key {
            scenario: scenario.name,
            variant: String::new(),
            about: scenario.about.to_owned(),
            transport,
        };
        match scenario.shape {
            Shape::Load(work, streams) => self.alternate(&key, Drive::Closed(work, streams)).await,
            Shape::Mixed(rate) => self.alternate(&key, Drive::Mixed(f64::from(rate))).await,
            Shape::Rates(shares) => self.rates(&key, shares).await,
            Shape::Held(carrier, steps) => self.held(&key, (carrier, steps)).await,
            Shape::Idle => self.idle(&key).await,
            Shape::Start => self.start(&key).await,
        }
    }

    /// Lets everybody have their turns.
    async fn alternate(&mut self, key: &Key, drive: Drive) -> Result<(), Trouble> {
        let mut runners = self.connectors(key).await;
        let mut floors = self.floors(key, drive).await?;
        for _ in 0..self.plan.rounds {
            self.round(key, drive, &mut runners).await;
            for floor in &mut floors {
                self.side_by_side(key, drive, std::slice::from_mut(floor)).await;
            }
        }
        drop(floors);
        self.retire(key, runners).await;
        Ok(())
    }

    /// Gives each connector two turns: A B B A.
    async fn round(&mut self, key: &Key, drive: Drive, runners: &mut [Runner]) {
        self.side_by_side(key, drive, runners).await;
        runners.reverse();
        self.side_by_side(key, drive, runners).await;
        runners.reverse();
    }

    /// Gives each connector a turn, and again if the cores have moved meanwhile.
    async fn side_by_side(&mut self, key: &Key, drive: Drive, runners: &mut [Runner]) {
        for attempt in 1..=ATTEMPTS {
            let mut seen = Distances::NONE;
            let mut turns = Vec::new();
            for runner in runners.iter_mut() {
                if let Some((figures, distances)) = self.turn(key, drive, runner).await {
                    turns.push((runner.name.clone(), figures));
                    seen.join(distances);
                }
            }
            let counts = seen.are_steady() || attempt == ATTEMPTS;
            for (name, figures) in turns {
                if counts {
                    self.note(key, &name, figures);
                } else {
                    self.progress(key, &name, "the cores have moved: once more");
                }
            }
            if counts {
                return;
            }
        }
    }

    /// Drives a turn; returns what came out and how far the cores were from each other.
    async fn turn(&mut self, key: &Key, drive: Drive, runner: &mut Runner) -> Option<(Figures, Distances)> {
        if runner.failed {
            return None;
        }
        match self.measure(drive, runner).await {
            Ok(measured) => Some(measured),
            Err(trouble) => {
                runner.failed = true;
                self.fail(key, &runner.name, &trouble);
                None
            }
        }
    }

    async fn measure(&self, drive: Drive, runner: &Runner) -> Result<(Figures, Distances), Trouble> {
        let mut distances = Distances::NONE;
        distances.see(self.cores.distance()?);
        let mut figures = drive.turn(runner, self.times()).await?;
        distances.see(self.cores.distance()?);
        if let Some(distance) = distances.middle() {
            figures.insert(Metric::Distance, distance);
        }
        Ok((figures, distances))
    }

    const fn times(&self) -> Times {
        Times {
            warm_up: self.plan.warm_up,
            window: self.plan.window,
        }
    }

    /// Starts the connectors, one after the other.
    async fn connectors(&mut self, key: &Key) -> Vec<Runner> {
        let mut runners = Vec::new();
        for subject in self.subjects.clone() {
            match subject.start(&self.cores, key.transport, self.origin).await {
                Ok(connector) => runners.push(Runner::connector(&subject, connector)),
                Err(trouble) => self.fail(key, &subject.name, &trouble),
            }
        }
        runners
    }

    /// Prepares the floors: the way straight to the origin is the same for all transports.
    async fn floors(&self, key: &Key, drive: Drive) -> Result<Vec<Runner>, Trouble> {
        let mut floors = Vec::new();
        let is_first = self.plan.transports.first() == Some(&key.transport);
        if matches!(drive, Drive::Closed(..)) && is_first {
            let road = Direct { origin: self.origin };
            floors.push(Runner::floor(DIRECT, Road::Direct(road), None));
        }
        if matches!(drive, Drive::Closed(..)) && key.transport == Transport::Quic {
            let relay = start_relay(&self.cores, self.origin).await?;
            floors.push(Runner::floor(RELAY, relay.road, Some(relay.process)));
        }
        Ok(floors)
    }

    async fn retire(&mut self, key: &Key, runners: Vec<Runner>) {
        for runner in runners {
            let Some(connector) = runner.connector else {
                continue;
            };
            match connector.stop().await {
                Ok(stopped) => self.results.remark(key, &runner.name, stopped.remark),
                Err(trouble) => self.fail(key, &runner.name, &trouble),
            }
        }
    }

    /// Finds out what the slower connector can do, and offers shares of that to both.
    async fn rates(&mut self, key: &Key, shares: &[u32]) -> Result<(), Trouble> {
        let work = Work::Get(Page::Kib);
        let mut runners = self.connectors(key).await;
        let mut capacity = f64::INFINITY;
        for runner in &mut runners {
            match Drive::Closed(work, BUSY).turn(runner, self.times()).await {
                Ok(figures) => capacity = capacity.min(figures[&Metric::Rate]),
                Err(trouble) => {
                    runner.failed = true;
                    self.fail(key, &runner.name, &trouble);
                }
            }
        }
        for share in shares {
            let rate = (capacity * f64::from(*share) / 100.0).round().max(1.0);
            let key = key.variant(
                format!("{share} %"),
                format!("{}: {share} %, {rate} op/s", key.about),
            );
            for _ in 0..self.plan.rounds {
                self.round(&key, Drive::Open(work, rate), &mut runners).await;
            }
        }
        self.retire(key, runners).await;
        Ok(())
    }

    /// Opens more and more streams and looks at memory.
    async fn held(&mut self, key: &Key, (carrier, steps): (Carrier, &[usize])) -> Result<(), Trouble> {
        for subject in self.order() {
            let measured = self.hold(key, &subject, (carrier, steps)).await;
            if let Err(trouble) = measured {
                self.fail(key, &subject.name, &trouble);
            }
        }
        Ok(())
    }

    async fn hold(
        &mut self,
        key: &Key,
        subject: &Subject,
        (carrier, steps): (Carrier, &[usize]),
    ) -> Result<(), Trouble> {
        let connector = subject.start(&self.cores, key.transport, self.origin).await?;
        let mut pipes: Vec<Pipe> = Vec::new();
        let mut before = 0.0;
        let most = self.plan.most_held;
        for step in steps.iter().copied().filter(|step| *step <= most) {
            open_pipes(&connector.road, carrier, &mut pipes, step).await?;
            tokio::time::sleep(SETTLE).await;
            let memory = connector.process.memory()?;
            let anonymous = memory.anonymous as f64;
            let mut figures = Figures::from([
                (Metric::Anonymous, anonymous / MIB),
                (Metric::Pss, memory.pss as f64 / MIB),
                (Metric::PeakResident, memory.peak_resident as f64 / MIB),
            ]);
            if step == 0 {
                before = anonymous;
            } else {
                figures.insert(Metric::PerStream, (anonymous - before) / KIB / step as f64);
            }
            let key = key.variant(step.to_string(), format!("{step} {}", key.about));
            self.note(&key, &subject.name, figures);
        }
        drop(pipes);
        let stopped = connector.stop().await?;
        self.results.remark(key, &subject.name, stopped.remark);
        Ok(())
    }

    /// Watches connectors that have nothing to do.
    async fn idle(&mut self, key: &Key) -> Result<(), Trouble> {
        for subject in self.subjects.clone() {
            match self.rest(key.transport, &subject).await {
                Ok(figures) => self.note(key, &subject.name, figures),
                Err(trouble) => self.fail(key, &subject.name, &trouble),
            }
        }
        Ok(())
    }

    async fn rest(&self, transport: Transport, subject: &Subject) -> Result<Figures, Trouble> {
        let connector = subject.start(&self.cores, transport, self.origin).await?;
        tokio::time::sleep(SETTLE).await;
        let before = connector.process.usage()?;
        tokio::time::sleep(self.plan.idle).await;
        let used = before.until(&connector.process.usage()?);
        let memory = connector.process.memory()?;
        connector.stop().await?;
        let seconds = used.time.as_secs_f64();
        Ok(Figures::from([
            (Metric::CpuIdle, used.cpu.as_secs_f64() * 1000.0 / seconds),
            (Metric::SwitchesIdle, used.switches as f64 / seconds),
            (Metric::Threads, used.threads as f64),
            (Metric::Anonymous, memory.anonymous as f64 / MIB),
            (Metric::Pss, memory.pss as f64 / MIB),
            (Metric::PeakResident, memory.peak_resident as f64 / MIB),
        ]))
    }

    /// Starts and stops connectors.
    async fn start(&mut self, key: &Key) -> Result<(), Trouble> {
        for _ in 0..STARTS / 2 {
            for subject in self.order() {
                match self.start_once(key.transport, &subject).await {
                    Ok(figures) => self.note(key, &subject.name, figures),
                    Err(trouble) => self.fail(key, &subject.name, &trouble),
                }
            }
        }
        Ok(())
    }

    async fn start_once(&self, transport: Transport, subject: &Subject) -> Result<Figures, Trouble> {
        let connector = subject.start(&self.cores, transport, self.origin).await?;
        let (first, fourth) = (connector.first, connector.fourth);
        let stopped = connector.stop().await?;
        let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
        Ok(Figures::from([
            (Metric::First, milliseconds(first)),
            (Metric::Fourth, milliseconds(fourth)),
            (Metric::Exit, milliseconds(stopped.time)),
        ]))
    }

    /// Returns the connectors in the order of their turns, for as many rounds as there are.
    fn order(&self) -> Vec<Subject> {
        let round = self.subjects.iter().chain(self.subjects.iter().rev());
        let rounds = (0..self.plan.rounds).flat_map(|_| round.clone());
        rounds.cloned().collect()
    }

    fn note(&mut self, key: &Key, name: &str, figures: Figures) {
        const SHOWN: [Metric; 8] = [
            Metric::Rate,
            Metric::Throughput,
            Metric::P99,
            Metric::CpuPerOperation,
            Metric::CpuPerGib,
            Metric::Busy,
            Metric::Anonymous,
            Metric::Fourth,
        ];
        let shown = SHOWN.iter().filter_map(|metric| {
            let figure = figures.get(metric)?;
            Some(format!("{} {}", digits(*figure), metric.label()))
        });
        let shown: Vec<_> = shown.collect();
        self.progress(key, name, &shown.join(", "));
        self.results.note(key, name, figures);
    }

    fn fail(&mut self, key: &Key, name: &str, trouble: &Trouble) {
        self.progress(key, name, &format!("failed: {trouble}"));
        self.results.fail(key, name, trouble.to_string());
    }

    fn progress(&self, key: &Key, name: &str, what: &str) {
        let all = self.plan.transports.len() * self.plan.scenarios.len();
        let place = format!("{} {} {}", key.transport, key.scenario, key.variant);
        show(&format!("[{:>2}/{all}] {place:<24} {name:<16} {what}", self.done));
    }
}

impl Runner {
    fn connector(subject: &Subject, connector: Connector) -> Self {
        Self {
            name: subject.name.clone(),
            road: Arc::clone(&connector.road),
            process: None,
            connector: Some(connector),
            failed: false,
        }
    }

    fn floor(name: &str, road: Road, process: Option<Process>) -> Self {
        Self {
            name: name.to_owned(),
            road: Arc::new(road),
            process,
            connector: None,
            failed: false,
        }
    }

    fn watched(&self) -> Option<&Process> {
        let connector = self.connector.as_ref().map(|connector| &connector.process);
        connector.or(self.process.as_ref())
    }
}

impl Drive {
    async fn turn(self, runner: &Runner, times: Times) -> Result<Figures, Trouble> {
        let watched = runner.watched();
        match self {
            Self::Closed(work, streams) => load::closed(&runner.road, (work, streams), times, watched).await,
            Self::Open(work, rate) => load::open(&runner.road, (work, rate), times, watched).await,
            Self::Mixed(rate) => load::mixed(&runner.road, rate, times, watched).await,
        }
    }
}

/// Opens streams until there are `count`.
async fn open_pipes(
    road: &Road,
    carrier: Carrier,
    pipes: &mut Vec<Pipe>,
    count: usize,
) -> Result<(), Trouble> {
    let opening = (pipes.len()..count).map(|number| {
        let mut lane = road.lane(number, Work::Churn(carrier));
        async move { lane.hold(carrier).await }
    });
    let opened = stream::iter(opening).buffer_unordered(OPENING);
    let opened: Vec<Pipe> = opened.try_collect().await?;
    pipes.extend(opened);
    Ok(())
}

fn own_program() -> Result<Command, Trouble> {
    let mut command = Command::new(std::env::current_exe()?);
    command.env_clear();
    Ok(command)
}

async fn start_origin() -> Result<(Process, Ports), Trouble> {
    let mut command = own_program()?;
    command
        .arg("--role-origin")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut process = Process::start(command)?;
    let said = process.child().stdout.take().ok_or("the origin says nothing")?;
    let line = BufReader::new(said).lines().next_line().await?;
    let line = line.ok_or("the origin has ended")?;
    Ok((process, Ports::read(&line)?))
}

async fn start_relay(cores: &Cores, origin: Ports) -> Result<Relay, Trouble> {
    let folder = tempfile::tempdir()?;
    let door = Door::open()?;
    let certificate: PathBuf = folder.path().join("relay.der");
    std::fs::write(&certificate, &door.certificate)?;
    let mut command = own_program()?;
    command
        .arg("--role-relay")
        .arg(door.address.to_string())
        .arg(certificate);
    let process = cores.connector(command)?;
    let road = Road::Relay(door.enter(origin).await?);
    Ok(Relay {
        process,
        road,
        _folder: folder,
    })
}
