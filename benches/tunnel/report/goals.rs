//! What this project wants to reach against the other connector, and whether it does.

use std::fmt::Write;

use adit_loopback::Transport::{self, Http2, Quic};

use crate::metric::{Metric, digits};
use crate::results::{Ratio, Results};
use crate::run::RELAY;

/// A figure and how many times better it shall be.
struct Goal {
    transport: Transport,
    scenario: &'static str,
    variant: &'static str,
    metric: Metric,
    at_least: f64,
}

const fn goal(transport: Transport, scenario: &'static str, metric: Metric, at_least: f64) -> Goal {
    at(transport, (scenario, ""), metric, at_least)
}

const fn at(
    transport: Transport,
    (scenario, variant): (&'static str, &'static str),
    metric: Metric,
    at_least: f64,
) -> Goal {
    Goal {
        transport,
        scenario,
        variant,
        metric,
        at_least,
    }
}

use Metric::{Anonymous, CpuPerGib, CpuPerOperation, Distance, Exit, First, Fourth, P99};

const GOALS: &[Goal] = &[
    goal(Quic, "get-empty-32", CpuPerOperation, 5.0),
    goal(Quic, "get-1k-32", CpuPerOperation, 5.0),
    goal(Http2, "get-empty-32", CpuPerOperation, 4.0),
    goal(Http2, "get-1k-32", CpuPerOperation, 4.0),
    goal(Quic, "down-100m", CpuPerGib, 3.5),
    goal(Quic, "up-100m", CpuPerGib, 3.5),
    goal(Http2, "down-100m", CpuPerGib, 3.0),
    goal(Http2, "up-100m", CpuPerGib, 2.0),
    goal(Quic, "ws-64-64", CpuPerOperation, 3.0),
    goal(Http2, "ws-64-64", CpuPerOperation, 3.0),
    goal(Quic, "tcp-64-64", CpuPerOperation, 3.0),
    goal(Http2, "tcp-64-64", CpuPerOperation, 3.0),
    goal(Quic, "ws-16k-64", CpuPerOperation, 3.0),
    goal(Http2, "ws-16k-64", CpuPerOperation, 3.0),
    goal(Quic, "tcp-16k-64", CpuPerOperation, 3.0),
    goal(Http2, "tcp-16k-64", CpuPerOperation, 3.0),
    goal(Quic, "churn-http", CpuPerOperation, 4.0),
    goal(Http2, "churn-http", CpuPerOperation, 4.0),
    goal(Quic, "churn-ws", CpuPerOperation, 4.0),
    goal(Http2, "churn-ws", CpuPerOperation, 4.0),
    goal(Quic, "churn-tcp", CpuPerOperation, 4.0),
    goal(Http2, "churn-tcp", CpuPerOperation, 4.0),
    at(Quic, ("rate", "50 %"), P99, 3.0),
    at(Quic, ("rate", "75 %"), P99, 3.0),
    at(Http2, ("rate", "50 %"), P99, 3.0),
    at(Http2, ("rate", "75 %"), P99, 3.0),
    goal(Quic, "idle", Anonymous, 5.0),
    goal(Http2, "idle", Anonymous, 5.0),
    at(Quic, ("held-ws", "5000"), Anonymous, 6.0),
    at(Http2, ("held-ws", "5000"), Anonymous, 6.0),
    at(Quic, ("held-tcp", "5000"), Anonymous, 6.0),
    at(Http2, ("held-tcp", "5000"), Anonymous, 6.0),
    goal(Quic, "start", First, 3.0),
    goal(Http2, "start", First, 3.0),
    goal(Quic, "start", Fourth, 10.0),
    goal(Http2, "start", Fourth, 10.0),
    goal(Quic, "start", Exit, 5.0),
    goal(Http2, "start", Exit, 5.0),
];

/// How many times smaller the program shall be.
const SIZE: f64 = 3.0;
/// How many times the processor time of the bare relay bulk may cost over QUIC.
const FLOOR: f64 = 1.25;
const BULK: [&str; 2] = ["down-100m", "up-100m"];

/// Returns the goals that the run has figures for, as a table.
pub(super) fn table(results: &Results) -> String {
    let theirs = results.theirs().unwrap_or("the other");
    let mut table = format!(
        "| figure | scenario | {} | {theirs} | times better | at least | reached | cores apart ns |\n| --- | --- | ---: | ---: | ---: | ---: | --- | ---: |\n",
        results.ours()
    );
    for goal in GOALS {
        table.extend(compared(results, goal));
    }
    table.extend(size(results));
    for scenario in BULK {
        table.extend(floor(results, scenario));
    }
    table
}

fn compared(results: &Results, goal: &Goal) -> Option<String> {
    let place = (goal.transport, goal.scenario, goal.variant);
    let ours = results.of(place, results.ours())?;
    let theirs = results.of(place, results.theirs()?)?;
    let ratio = ours.ratio(theirs, goal.metric);
    let mut line = format!(
        "| {} | {} {} {} |",
        goal.metric.label(),
        goal.transport,
        goal.scenario,
        goal.variant
    );
    for row in [ours, theirs] {
        let figure = row
            .figure(goal.metric)
            .map_or_else(|| "failed".to_owned(), digits);
        line.push_str(&format!(" {figure} |"));
    }
    let shown = ratio.map_or_else(|| "–".to_owned(), spread);
    let reached = ratio.is_some_and(|ratio| ratio.middle >= goal.at_least);
    let apart = ours.figure(Distance);
    Some(ended(
        line,
        (&shown, &format!("{}", goal.at_least)),
        reached,
        apart,
    ))
}

fn size(results: &Results) -> Option<String> {
    let [ours, theirs] = &*results.programs else {
        return None;
    };
    let size =
        |program: &crate::results::Program| program.stripped.unwrap_or(program.size) as f64 / 1024.0 / 1024.0;
    let (ours, theirs) = (size(ours), size(theirs));
    let line = format!(
        "| stripped MiB | program | {} | {} |",
        digits(ours),
        digits(theirs)
    );
    let ratio = theirs / ours;
    let words = (&*digits(ratio), &*format!("{SIZE}"));
    Some(ended(line, words, ratio >= SIZE, None))
}

/// Compares bulk with the floor: here less is better than the goal.
fn floor(results: &Results, scenario: &'static str) -> Option<String> {
    let place = (Quic, scenario, "");
    let row = results.of(place, results.ours())?;
    let ours = row.figure(CpuPerGib)?;
    let floor = results.of(place, RELAY)?.figure(CpuPerGib)?;
    let line = format!(
        "| {} against {RELAY} | {Quic} {scenario} | {} | {} |",
        CpuPerGib.label(),
        digits(ours),
        digits(floor)
    );
    let ratio = ours / floor;
    let words = (&*format!("costs {}", digits(ratio)), &*format!("at most {FLOOR}"));
    Some(ended(line, words, ratio <= FLOOR, row.figure(Distance)))
}

fn ended(mut line: String, (ratio, at_least): (&str, &str), reached: bool, apart: Option<f64>) -> String {
    let reached = if reached { "yes" } else { "**no**" };
    let apart = apart.map(digits).unwrap_or_default();
    writeln!(line, " {ratio} | {at_least} | {reached} | {apart} |").expect("a text takes every text");
    line
}

/// Writes a ratio with its spread.
pub(super) fn spread(ratio: Ratio) -> String {
    format!(
        "{} ({}–{})",
        digits(ratio.middle),
        digits(ratio.low),
        digits(ratio.high)
    )
}
