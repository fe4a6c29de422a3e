//! What is asked for on the command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use adit_loopback::Transport;

use crate::Trouble;
use crate::scenario::{SCENARIOS, Scenario};

/// What a run shall do.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The connector of this project.
    pub(crate) subject: PathBuf,
    /// The connector to compare with.
    pub(crate) against: Option<PathBuf>,
    pub(crate) transports: Vec<Transport>,
    pub(crate) scenarios: Vec<&'static Scenario>,
    /// How long a turn is measured.
    pub(crate) window: Duration,
    /// How long a turn runs before it is measured.
    pub(crate) warm_up: Duration,
    /// How long connectors are watched without load.
    pub(crate) idle: Duration,
    /// How often each connector has two turns.
    pub(crate) rounds: usize,
    /// The most streams that are held open.
    pub(crate) most_held: usize,
    /// Where the results go.
    pub(crate) out: PathBuf,
    /// The words that were given.
    pub(crate) words: Vec<String>,
}

/// What the program is started for.
#[derive(Debug)]
pub(crate) enum Task {
    /// To compare.
    Compare(Box<Plan>),
    /// To tell which scenarios there are.
    List,
    /// To be the origin of a run.
    Origin,
    /// To be the bare relay of a run: the address to dial and the certificate to trust.
    Relay(String, PathBuf),
}

/// How the program is used.
pub(crate) const USAGE: &str = "\
cargo bench --bench tunnel -- [OPTION…] [SCENARIO…]

  --against PATH       compare with this connector
  --subject PATH       measure this connector instead of the one that was just built
  --transport NAME     quic or http2; both by default
  --quick              short turns, one round
  --seconds N          measure each turn for so long
  --rounds N           two turns for each connector in each round
  --out FOLDER         where the results go, target/bench by default
  --list               tell the scenarios

A scenario is chosen by its name or the beginning of its name; all by default.";

/// Reads the command line.
pub(crate) fn read(words: impl IntoIterator<Item = OsString>) -> Result<Task, Trouble> {
    let words: Result<Vec<String>, OsString> = words.into_iter().map(OsString::into_string).collect();
    let words = words.map_err(|word| format!("{} is not Unicode", word.display()))?;
    let mut plan = Plan::new(words.iter().filter(|word| *word != "--bench").cloned().collect());
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            // Cargo says it to every benchmark.
            "--bench" => {}
            "--role-origin" => return Ok(Task::Origin),
            "--role-relay" => return Ok(Task::Relay(value()?, value()?.into())),
            "--list" => return Ok(Task::List),
            "--against" => plan.against = Some(value()?.into()),
            "--subject" => plan.subject = value()?.into(),
            "--transport" => plan.transports = vec![transport(&value()?)?],
            "--quick" => plan.hurry(),
            "--seconds" => plan.window = Duration::try_from_secs_f64(value()?.parse()?)?,
            "--rounds" => plan.rounds = value()?.parse()?,
            "--out" => plan.out = value()?.into(),
            option if option.starts_with('-') => return Err(format!("{option} is unknown\n\n{USAGE}").into()),
            name => plan.choose(name)?,
        }
    }
    if plan.scenarios.is_empty() {
        plan.scenarios = SCENARIOS.iter().collect();
    }
    Ok(Task::Compare(Box::new(plan)))
}

impl Plan {
    fn new(words: Vec<String>) -> Self {
        Self {
            subject: env!("CARGO_BIN_EXE_adit").into(),
            against: None,
            transports: vec![Transport::Quic, Transport::Http2],
            scenarios: Vec::new(),
            window: Duration::from_secs(2),
            warm_up: Duration::from_millis(500),
            idle: Duration::from_secs(60),
            rounds: 2,
            most_held: 5000,
            out: concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/bench").into(),
            words,
        }
    }

    fn hurry(&mut self) {
        self.window = Duration::from_millis(700);
        self.warm_up = Duration::from_millis(300);
        self.idle = Duration::from_secs(5);
        self.rounds = 1;
        self.most_held = 1000;
    }

    fn choose(&mut self, name: &str) -> Result<(), Trouble> {
        let exact: Vec<_> = SCENARIOS
            .iter()
            .filter(|scenario| scenario.name == name)
            .collect();
        let chosen = if exact.is_empty() {
            SCENARIOS
                .iter()
                .filter(|scenario| scenario.name.starts_with(name))
                .collect()
        } else {
            exact
        };
        if chosen.is_empty() {
            return Err(format!("there is no scenario {name}; --list tells them").into());
        }
        self.scenarios.extend(chosen);
        Ok(())
    }
}

fn transport(name: &str) -> Result<Transport, Trouble> {
    match name {
        "quic" => Ok(Transport::Quic),
        "http2" => Ok(Transport::Http2),
        other => Err(format!("there is no transport {other}").into()),
    }
}
