//! Results as a page of Markdown.

use std::fmt::Write;

use adit_loopback::Transport;

use super::goals;
use crate::metric::{Metric, digits};
use crate::results::{Results, Row};
use crate::scenario::{SCENARIOS, Shape};

/// Rows that show the same figures.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Load,
    Held,
    Idle,
    Start,
}

impl Group {
    const ALL: [Self; 4] = [Self::Load, Self::Held, Self::Idle, Self::Start];

    const fn title(self) -> &'static str {
        match self {
            Self::Load => "under load",
            Self::Held => "open streams",
            Self::Idle => "idle",
            Self::Start => "start and stop",
        }
    }

    const fn columns(self) -> &'static [Metric] {
        match self {
            Self::Load => &[
                Metric::Rate,
                Metric::Throughput,
                Metric::P50,
                Metric::P90,
                Metric::P99,
                Metric::P999,
                Metric::CpuPerOperation,
                Metric::CpuPerGib,
                Metric::Busy,
                Metric::Switches,
                Metric::Threads,
                Metric::PeakAnonymous,
                Metric::PeakResident,
                Metric::Distance,
            ],
            Self::Held => &[
                Metric::Anonymous,
                Metric::PerStream,
                Metric::Pss,
                Metric::PeakResident,
            ],
            Self::Idle => &[
                Metric::CpuIdle,
                Metric::SwitchesIdle,
                Metric::Threads,
                Metric::Anonymous,
                Metric::Pss,
                Metric::PeakResident,
            ],
            Self::Start => &[Metric::First, Metric::Fourth, Metric::Exit],
        }
    }

    /// Returns the figures by which connectors are compared; the first that is there counts.
    const fn compared(self) -> &'static [Metric] {
        match self {
            Self::Load => &[Metric::CpuPerOperation, Metric::CpuPerGib],
            Self::Held | Self::Idle => &[Metric::Anonymous],
            Self::Start => &[Metric::Fourth],
        }
    }

    pub(super) fn of(row: &Row) -> Self {
        let scenario = SCENARIOS
            .iter()
            .find(|scenario| scenario.name == row.key.scenario);
        match scenario.map(|scenario| scenario.shape) {
            Some(Shape::Held(..)) => Self::Held,
            Some(Shape::Idle) => Self::Idle,
            Some(Shape::Start) => Self::Start,
            Some(Shape::Load(..) | Shape::Rates(_) | Shape::Mixed(_)) | None => Self::Load,
        }
    }
}

/// Returns the figure by which the connectors are compared in a row.
pub(super) fn compared(row: &Row) -> Option<Metric> {
    let candidates = Group::of(row).compared().iter().copied();
    candidates
        .into_iter()
        .find(|metric| row.figure(*metric).is_some())
}

/// Returns the whole page.
pub(super) fn page(results: &Results) -> String {
    let mut page = format!("Command: `{}`\n\n", results.command);
    for (name, value) in &results.machine {
        line(&mut page, &format!("* {name}: {value}"));
    }
    for program in &results.programs {
        let mib = |bytes: u64| digits(bytes as f64 / 1024.0 / 1024.0);
        let stripped = program.stripped.map_or_else(|| "not known".to_owned(), mib);
        let size = mib(program.size);
        let text = format!(
            "* {}: {}, {size} MiB, stripped {stripped} MiB",
            program.name, program.version
        );
        line(&mut page, &text);
    }
    page.push('\n');
    if results.theirs().is_some() {
        page.push_str(&goals::table(results));
    }
    for transport in [Transport::Quic, Transport::Http2] {
        for group in Group::ALL {
            page.push_str(&table(results, transport, group));
        }
    }
    if !results.remarks.is_empty() {
        line(&mut page, "\n### Remarks\n");
    }
    for remark in &results.remarks {
        line(&mut page, &format!("* {remark}"));
    }
    page
}

fn table(results: &Results, transport: Transport, group: Group) -> String {
    let rows = results.rows.iter();
    let rows = rows.filter(|row| row.key.transport == transport && Group::of(row) == group);
    let rows: Vec<&Row> = rows.collect();
    if rows.is_empty() {
        return String::new();
    }
    let columns = group.columns().iter();
    let columns = columns.filter(|metric| rows.iter().any(|row| row.figure(**metric).is_some()));
    let columns: Vec<Metric> = columns.copied().collect();
    let mut table = format!("\n### {transport}, {}\n\n| scenario | |", group.title());
    for metric in &columns {
        table.push_str(&format!(" {} |", metric.label()));
    }
    table.push_str(" times better |\n| --- | --- |");
    table.push_str(&" ---: |".repeat(columns.len() + 1));
    table.push('\n');
    for row in rows {
        table.push_str(&cells(results, row, &columns));
    }
    table
}

fn cells(results: &Results, row: &Row, columns: &[Metric]) -> String {
    let key = &row.key;
    let mut cells = format!("| {} {} | {} |", key.scenario, key.variant, row.name);
    if row.turns.is_empty() {
        let trouble = row
            .trouble
            .as_deref()
            .unwrap_or_default()
            .lines()
            .next()
            .unwrap_or_default();
        line(&mut cells, &format!(" failed: {trouble} |"));
        return cells;
    }
    for metric in columns {
        let figure = row.figure(*metric).map(digits).unwrap_or_default();
        cells.push_str(&format!(" {figure} |"));
    }
    let is_ours = row.name == results.ours();
    let ratio = compared(row)
        .filter(|_| is_ours)
        .and_then(|metric| results.ratio(key, metric));
    line(
        &mut cells,
        &format!(" {} |", ratio.map(goals::spread).unwrap_or_default()),
    );
    cells
}

fn line(page: &mut String, text: &str) {
    writeln!(page, "{text}").expect("a text takes every text");
}
