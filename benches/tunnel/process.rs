//! Processes: started on cores of their own, watched through `/proc`, stopped.

use std::collections::BTreeSet;
use std::io;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Resource, Rlimit, Signal, getrlimit, kill_process, set_parent_process_death_signal, setrlimit,
};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tokio::process::{Child, Command};

use crate::Trouble;
use crate::distance;

/// Which cores there are for whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    connector: CpuSet,
    rest: CpuSet,
    /// How many there are.
    pub(crate) count: usize,
}

/// A process that is watched.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pid: Pid,
}

/// What a process has used up to a moment.
#[derive(Clone, Debug)]
pub(crate) struct Usage {
    at: Instant,
    /// Processor time to the tick, of all threads there ever were.
    ticks: Duration,
    /// Processor time to the nanosecond, of the threads there are.
    exact: Duration,
    tasks: BTreeSet<u32>,
    switches: u64,
}

/// What a process used between two moments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    pub(crate) time: Duration,
    pub(crate) cpu: Duration,
    pub(crate) switches: u64,
    pub(crate) threads: usize,
}

/// How much memory a process has, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) anonymous: u64,
    pub(crate) pss: u64,
    pub(crate) peak_resident: u64,
}

/// How long a process may take to end before it is killed.
const PATIENCE: Duration = Duration::from_secs(60);

impl Cores {
    /// Gives the first core to connectors and the rest to everything else, this thread included.
    /// A single core is shared.
    pub(crate) fn divide() -> Result<Self, Trouble> {
        let mut rest = sched_getaffinity(None)?;
        let count = rest.count() as usize;
        let mut connector = rest;
        if count > 1 {
            let first = (0..CpuSet::MAX_CPU).find(|core| rest.is_set(*core));
            let first = first.ok_or("there is no core")?;
            connector = CpuSet::new();
            connector.set(first);
            rest.unset(first);
        }
        sched_setaffinity(None, &rest)?;
        Ok(Self {
            connector,
            rest,
            count,
        })
    }

    /// Returns how far the connector's core is from the rest, in nanoseconds, unless it is one of them.
    pub(crate) fn distance(&self) -> Result<Option<f64>, Trouble> {
        if self.count < 2 {
            return Ok(None);
        }
        distance::between(&self.connector, &self.rest).map(Some)
    }

    /// Starts a connector, which inherits the cores of the thread that starts it.
    pub(crate) fn connector(&self, command: Command) -> Result<Process, Trouble> {
        sched_setaffinity(None, &self.connector)?;
        let started = Process::start(command);
        sched_setaffinity(None, &self.rest)?;
        started
    }
}

/// Lets this process and those it starts open as many files as the system allows.
pub(crate) fn allow_files() -> Result<(), Trouble> {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    Ok(setrlimit(Resource::Nofile, most)?)
}

/// Makes this process end when the one that started it ends, however that comes about.
pub(crate) fn end_with_parent() -> Result<(), Trouble> {
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

impl Process {
    /// Starts a process on the cores of this thread.
    pub(crate) fn start(mut command: Command) -> Result<Self, Trouble> {
        let child = command.kill_on_drop(true).spawn()?;
        let pid = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        let pid = pid.ok_or("a process without id")?;
        Ok(Self { child, pid })
    }

    pub(crate) const fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Sends SIGTERM and waits for the end; returns how long it took.
    pub(crate) async fn stop(&mut self) -> Result<(Duration, ExitStatus), Trouble> {
        let asked = Instant::now();
        kill_process(self.pid, Signal::TERM)?;
        let Ok(status) = tokio::time::timeout(PATIENCE, self.child.wait()).await else {
            self.child.kill().await?;
            return Err(format!("it had not ended {PATIENCE:?} after SIGTERM").into());
        };
        Ok((asked.elapsed(), status?))
    }

    /// Returns what it has used so far.
    pub(crate) fn usage(&self) -> Result<Usage, Trouble> {
        let mut usage = Usage {
            at: Instant::now(),
            ticks: self.ticks()?,
            exact: Duration::ZERO,
            tasks: BTreeSet::new(),
            switches: 0,
        };
        for task in std::fs::read_dir(format!("/proc/{}/task", self.pid.as_raw_pid()))? {
            let path = task?.path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            // A thread may end while it is looked at.
            let (Ok(id), Ok(schedule), Ok(status)) = (
                name.parse(),
                std::fs::read_to_string(path.join("schedstat")),
                std::fs::read_to_string(path.join("status")),
            ) else {
                continue;
            };
            usage.tasks.insert(id);
            let ran = schedule
                .split_whitespace()
                .next()
                .and_then(|word| word.parse().ok());
            usage.exact += Duration::from_nanos(ran.unwrap_or_default());
            usage.switches += value(&status, "voluntary_ctxt_switches:")?;
            usage.switches += value(&status, "nonvoluntary_ctxt_switches:")?;
        }
        Ok(usage)
    }

    fn ticks(&self) -> Result<Duration, Trouble> {
        let stat = self.read("stat")?;
        // The name of the program stands in brackets and may hold anything.
        let (_, fields) = stat.rsplit_once(')').ok_or("an unknown form of /proc/PID/stat")?;
        let mut times = fields.split_whitespace().skip(11).take(2);
        let ticks = times.try_fold(0, |sum: u64, time| time.parse::<u64>().map(|time| sum + time))?;
        let ticks_per_second = rustix::param::clock_ticks_per_second();
        Ok(Duration::from_micros(ticks * 1_000_000 / ticks_per_second))
    }

    /// Returns its anonymous memory, which costs little to ask.
    pub(crate) fn anonymous(&self) -> Result<u64, Trouble> {
        Ok(value(&self.read("status")?, "RssAnon:")? * 1024)
    }

    /// Returns how much memory it has.
    pub(crate) fn memory(&self) -> Result<Memory, Trouble> {
        let rollup = self.read("smaps_rollup")?;
        Ok(Memory {
            anonymous: value(&rollup, "Anonymous:")? * 1024,
            pss: value(&rollup, "Pss:")? * 1024,
            peak_resident: value(&self.read("status")?, "VmHWM:")? * 1024,
        })
    }

    fn read(&self, file: &str) -> io::Result<String> {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.pid.as_raw_pid()))
    }
}

impl Usage {
    /// Returns what was used between `self` and `later`.
    pub(crate) fn until(&self, later: &Self) -> Used {
        // What a thread that has ended used is known to the tick only.
        let cpu = if self.tasks.is_subset(&later.tasks) {
            later.exact.saturating_sub(self.exact)
        } else {
            later.ticks.saturating_sub(self.ticks)
        };
        Used {
            time: later.at - self.at,
            cpu,
            switches: later.switches.saturating_sub(self.switches),
            threads: later.tasks.len(),
        }
    }
}

fn value(text: &str, name: &str) -> Result<u64, Trouble> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    let number = number.ok_or_else(|| format!("{name} is missing in /proc"))?;
    Ok(number.parse()?)
}

/// Tells the parent process something.
#[expect(
    clippy::print_stdout,
    reason = "it is how a process of a run tells its ports, and how the list is shown"
)]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

/// Tells whoever watches how far the run has come.
#[expect(clippy::print_stderr, reason = "a run takes long and shows that it goes on")]
pub(crate) fn show(line: &str) {
    eprintln!("{line}");
}
