//! What is measured, how it is written, and which direction is better.

use std::collections::BTreeMap;

/// A figure of one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Metric {
    /// Operations that were completed in a second.
    Rate,
    /// Bytes of bodies and messages in a second, in MiB.
    Throughput,
    /// Half of the operations took no longer, in microseconds.
    P50,
    /// Nine in ten.
    P90,
    /// Ninety-nine in a hundred.
    P99,
    /// All but one in a thousand.
    P999,
    /// Processor time of the connector for one operation, in microseconds.
    CpuPerOperation,
    /// Processor time of the connector for one GiB, in seconds.
    CpuPerGib,
    /// How much of its core the connector used, in percent.
    Busy,
    /// Processor time in a second without load, in milliseconds.
    CpuIdle,
    /// Context switches for one operation.
    Switches,
    /// Context switches in a second without load.
    SwitchesIdle,
    /// Threads of the connector.
    Threads,
    /// The most anonymous memory that was seen, in MiB.
    PeakAnonymous,
    /// The most resident memory there ever was, in MiB.
    PeakResident,
    /// Anonymous memory at the end, in MiB.
    Anonymous,
    /// Proportional set size at the end, in MiB.
    Pss,
    /// Anonymous memory for each open stream, in KiB.
    PerStream,
    /// How long it takes from the connector's core to another until something written is seen, in
    /// nanoseconds.
    Distance,
    /// From the start of the process to the first registration, in milliseconds.
    First,
    /// From the start of the process to the fourth registration, in milliseconds.
    Fourth,
    /// From SIGTERM to the end of the process, in milliseconds.
    Exit,
}

/// The figures of one turn.
pub(crate) type Figures = BTreeMap<Metric, f64>;

impl Metric {
    /// Returns what the figure is called, with its unit.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Rate => "op/s",
            Self::Throughput => "MiB/s",
            Self::P50 => "p50 µs",
            Self::P90 => "p90 µs",
            Self::P99 => "p99 µs",
            Self::P999 => "p99.9 µs",
            Self::CpuPerOperation => "CPU µs/op",
            Self::CpuPerGib => "CPU s/GiB",
            Self::Busy => "core %",
            Self::CpuIdle => "CPU ms/s",
            Self::Switches => "switches/op",
            Self::SwitchesIdle => "switches/s",
            Self::Threads => "threads",
            Self::PeakAnonymous => "peak anon MiB",
            Self::PeakResident => "peak RSS MiB",
            Self::Anonymous => "anon MiB",
            Self::Pss => "PSS MiB",
            Self::PerStream => "KiB/stream",
            Self::Distance => "cores apart ns",
            Self::First => "first ms",
            Self::Fourth => "fourth ms",
            Self::Exit => "exit ms",
        }
    }

    /// Returns the name of the figure for programs.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Rate => "operations_per_second",
            Self::Throughput => "mib_per_second",
            Self::P50 => "p50_us",
            Self::P90 => "p90_us",
            Self::P99 => "p99_us",
            Self::P999 => "p99_9_us",
            Self::CpuPerOperation => "cpu_us_per_operation",
            Self::CpuPerGib => "cpu_s_per_gib",
            Self::Busy => "core_percent",
            Self::CpuIdle => "cpu_ms_per_second",
            Self::Switches => "switches_per_operation",
            Self::SwitchesIdle => "switches_per_second",
            Self::Threads => "threads",
            Self::PeakAnonymous => "peak_anonymous_mib",
            Self::PeakResident => "peak_resident_mib",
            Self::Anonymous => "anonymous_mib",
            Self::Pss => "pss_mib",
            Self::PerStream => "kib_per_stream",
            Self::Distance => "cores_apart_ns",
            Self::First => "first_registration_ms",
            Self::Fourth => "fourth_registration_ms",
            Self::Exit => "exit_ms",
        }
    }

    /// Returns how many times better `ours` is than `theirs`.
    pub(crate) fn advantage(self, ours: f64, theirs: f64) -> f64 {
        if matches!(self, Self::Rate | Self::Throughput) {
            ours / theirs
        } else {
            theirs / ours
        }
    }
}

/// Returns the middle of some figures, and nothing when there are none.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(values[middle - 1], upper))
}

/// Writes a figure with three digits that matter.
pub(crate) fn digits(value: f64) -> String {
    match value.abs() {
        size if !size.is_finite() => "–".to_owned(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 || size == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
