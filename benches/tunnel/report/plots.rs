//! The plots of a run: ratios as bars, latency over offered load, memory over open streams.

use adit_loopback::Transport;

use super::chart::{Axes, Bar, Series, bars, lines};
use super::markdown::compared;
use crate::metric::Metric;
use crate::results::{Results, Row};

/// Returns the plots that the run has figures for, by name.
pub(super) fn all(results: &Results) -> Vec<(String, String)> {
    let mut plots = Vec::new();
    plots.extend(ratios(results));
    for transport in [Transport::Quic, Transport::Http2] {
        plots.extend(latency(results, transport));
        for scenario in ["held-ws", "held-tcp"] {
            plots.extend(memory(results, transport, scenario));
        }
    }
    plots
}

fn ratios(results: &Results) -> Option<(String, String)> {
    let theirs = results.theirs()?;
    let ours = results.rows.iter().filter(|row| row.name == results.ours());
    let shown = ours.filter_map(|row| {
        let ratio = results.ratio(&row.key, compared(row)?)?;
        let key = &row.key;
        Some(Bar {
            name: format!("{} {} {}", key.transport, key.scenario, key.variant),
            value: ratio.middle,
            low: ratio.low,
            high: ratio.high,
            colour: usize::from(key.transport == Transport::Http2),
        })
    });
    let shown: Vec<Bar> = shown.collect();
    let title = format!(
        "{theirs} ÷ {}: processor time, memory, time to register",
        results.ours()
    );
    (!shown.is_empty()).then(|| ("ratios".to_owned(), bars(&title, &shown)))
}

fn latency(results: &Results, transport: Transport) -> Option<(String, String)> {
    let mut series = Vec::new();
    for (colour, program) in results.programs.iter().enumerate() {
        for (metric, dashed) in [(Metric::P99, false), (Metric::P50, true)] {
            let rows = rows(results, (transport, "rate"), &program.name);
            let points = rows.filter_map(|row| Some((row.figure(Metric::Rate)?, row.figure(metric)?)));
            series.push(Series {
                name: format!("{} {}", program.name, metric.label()),
                points: points.collect(),
                dashed,
                colour,
            });
        }
    }
    let axes = Axes {
        title: "GET 1 KiB",
        x: "offered requests per second",
        y: "µs",
        logarithmic: true,
    };
    drawn(
        format!("latency-{transport}"),
        axes,
        &transport.to_string(),
        series,
    )
}

fn memory(results: &Results, transport: Transport, scenario: &str) -> Option<(String, String)> {
    let programs = results.programs.iter().enumerate();
    let series = programs.map(|(colour, program)| {
        let rows = rows(results, (transport, scenario), &program.name);
        let points =
            rows.filter_map(|row| Some((row.key.variant.parse().ok()?, row.figure(Metric::Anonymous)?)));
        Series {
            name: program.name.clone(),
            points: points.collect(),
            dashed: false,
            colour,
        }
    });
    let axes = Axes {
        title: "Anonymous memory",
        x: "open streams",
        y: "MiB",
        logarithmic: false,
    };
    let heading = format!("{transport} {scenario}");
    drawn(
        format!("memory-{scenario}-{transport}"),
        axes,
        &heading,
        series.collect(),
    )
}

fn drawn(name: String, axes: Axes, heading: &str, mut series: Vec<Series>) -> Option<(String, String)> {
    series.retain(|line| !line.points.is_empty());
    (!series.is_empty()).then(|| (name, lines(axes, heading, &series)))
}

fn rows<'r>(
    results: &'r Results,
    (transport, scenario): (Transport, &'r str),
    name: &'r str,
) -> impl Iterator<Item = &'r Row> {
    let rows = results.rows.iter();
    rows.filter(move |row| row.key.transport == transport && row.key.scenario == scenario && row.name == name)
}
