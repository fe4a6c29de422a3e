//! What a run has found.

use std::path::Path;
use std::process::Command;

use adit_loopback::Transport;

use crate::Trouble;
use crate::arguments::Plan;
use crate::connector::Subject;
use crate::metric::{Figures, Metric, median};
use crate::process::{Cores, show};

/// Everything that a run has found.
#[derive(Debug)]
pub(crate) struct Results {
    /// The command that was given.
    pub(crate) command: String,
    /// The machine, in pairs of name and value.
    pub(crate) machine: Vec<(&'static str, String)>,
    /// The connectors: first our own.
    pub(crate) programs: Vec<Program>,
    pub(crate) rows: Vec<Row>,
    pub(crate) remarks: Vec<String>,
}

/// A connector as a file.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) name: String,
    /// What it says about itself.
    pub(crate) version: String,
    /// How large it is, in bytes.
    pub(crate) size: u64,
    /// How large it is without symbols.
    pub(crate) stripped: Option<u64>,
}

/// What rows are compared by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) scenario: &'static str,
    /// The step within the scenario, where it has steps.
    pub(crate) variant: String,
    pub(crate) about: String,
    pub(crate) transport: Transport,
}

/// The turns that one of the runners had in one scenario.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) key: Key,
    pub(crate) name: String,
    pub(crate) turns: Vec<Figures>,
    /// Why there are no more turns.
    pub(crate) trouble: Option<String>,
}

/// How many times better one is than the other, over the pairs of neighbouring turns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ratio {
    pub(crate) middle: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Key {
    pub(crate) fn variant(&self, variant: String, about: String) -> Self {
        Self {
            variant,
            about,
            ..self.clone()
        }
    }
}

impl Row {
    /// Returns the middle of the turns.
    pub(crate) fn figure(&self, metric: Metric) -> Option<f64> {
        median(self.turns.iter().filter_map(|turn| turn.get(&metric).copied()))
    }

    /// Returns how many times better this is than `other`.
    pub(crate) fn ratio(&self, other: &Self, metric: Metric) -> Option<Ratio> {
        let pairs = self.turns.iter().zip(&other.turns);
        let ratios = pairs
            .filter_map(|(ours, theirs)| Some(metric.advantage(*ours.get(&metric)?, *theirs.get(&metric)?)));
        let ratios: Vec<f64> = ratios.collect();
        Some(Ratio {
            middle: median(ratios.iter().copied())?,
            low: ratios.iter().copied().fold(f64::INFINITY, f64::min),
            high: ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        })
    }
}

impl Results {
    pub(crate) fn new(plan: &Plan, cores: &Cores, subjects: &[Subject]) -> Result<Self, Trouble> {
        let programs: Result<_, Trouble> = subjects.iter().map(Program::look).collect();
        Ok(Self {
            command: format!("cargo bench --bench tunnel -- {}", plan.words.join(" ")),
            machine: machine(cores)?,
            programs: programs?,
            rows: Vec::new(),
            remarks: Vec::new(),
        })
    }

    /// Notes the figures of a turn.
    pub(crate) fn note(&mut self, key: &Key, name: &str, figures: Figures) {
        self.row(key, name).turns.push(figures);
    }

    /// Notes that there were no figures.
    pub(crate) fn fail(&mut self, key: &Key, name: &str, trouble: String) {
        self.row(key, name).trouble = Some(trouble);
    }

    /// Notes what was odd, once.
    pub(crate) fn remark(&mut self, key: &Key, name: &str, remark: Option<String>) {
        let Some(remark) = remark else {
            return;
        };
        let remark = format!("{name}, {} {}: {remark}", key.transport, key.scenario);
        show(&format!("        {remark}"));
        self.remarks.push(remark);
    }

    fn row(&mut self, key: &Key, name: &str) -> &mut Row {
        let found = self
            .rows
            .iter()
            .position(|row| row.key == *key && row.name == name);
        let at = found.unwrap_or_else(|| {
            self.rows.push(Row {
                key: key.clone(),
                name: name.to_owned(),
                turns: Vec::new(),
                trouble: None,
            });
            self.rows.len() - 1
        });
        &mut self.rows[at]
    }

    /// Returns the turns of a runner.
    pub(crate) fn of(
        &self,
        (transport, scenario, variant): (Transport, &str, &str),
        name: &str,
    ) -> Option<&Row> {
        self.rows.iter().find(|row| {
            let key = &row.key;
            key.transport == transport
                && key.scenario == scenario
                && key.variant == variant
                && row.name == name
        })
    }

    /// Returns the name of our own connector.
    pub(crate) fn ours(&self) -> &str {
        &self.programs[0].name
    }

    /// Returns the name of the other connector.
    pub(crate) fn theirs(&self) -> Option<&str> {
        self.programs.get(1).map(|program| program.name.as_str())
    }

    /// Returns how our connector compares with the other in the scenario of a row.
    pub(crate) fn ratio(&self, key: &Key, metric: Metric) -> Option<Ratio> {
        let place = (key.transport, key.scenario, &*key.variant);
        self.of(place, self.ours())?
            .ratio(self.of(place, self.theirs()?)?, metric)
    }
}

impl Program {
    fn look(subject: &Subject) -> Result<Self, Trouble> {
        let version = Command::new(&subject.path).arg("--version").output()?;
        let version = String::from_utf8_lossy(&version.stdout);
        Ok(Self {
            name: subject.name.clone(),
            version: version.lines().next().unwrap_or_default().to_owned(),
            size: std::fs::metadata(&subject.path)?.len(),
            stripped: stripped(&subject.path),
        })
    }
}

/// Returns the size without symbols, where the system has a program that removes them.
fn stripped(path: &Path) -> Option<u64> {
    let folder = tempfile::tempdir().ok()?;
    let out = folder.path().join("stripped");
    let status = Command::new("strip")
        .arg("-o")
        .arg(&out)
        .arg(path)
        .status()
        .ok()?;
    let metadata = std::fs::metadata(out).ok()?;
    status.success().then_some(metadata.len())
}

fn machine(cores: &Cores) -> Result<Vec<(&'static str, String)>, Trouble> {
    let line = |file: &str, name: &str| -> Result<String, Trouble> {
        let text = std::fs::read_to_string(file)?;
        let line = text
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_default();
        let value = line.split_once(':').map_or(line, |(_, value)| value);
        Ok(value.trim().to_owned())
    };
    Ok(vec![
        ("processor", line("/proc/cpuinfo", "model name")?),
        ("cores", cores.count.to_string()),
        ("memory", line("/proc/meminfo", "MemTotal")?),
        ("kernel", line("/proc/sys/kernel/osrelease", "")?),
        ("load average before", line("/proc/loadavg", "")?),
    ])
}
