//! Results as JSON: every turn, nothing summed up.

use serde_json::{Map, Value, json};

use crate::Trouble;
use crate::metric::Figures;
use crate::results::{Program, Results, Row};

/// Returns everything.
pub(super) fn whole(results: &Results) -> Result<String, Trouble> {
    let machine = results.machine.iter();
    let machine: Map<String, Value> = machine
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();
    let whole = json!({
        "command": results.command,
        "machine": machine,
        "programs": results.programs.iter().map(program).collect::<Vec<_>>(),
        "rows": results.rows.iter().map(row).collect::<Vec<_>>(),
        "remarks": results.remarks,
    });
    Ok(serde_json::to_string_pretty(&whole)?)
}

fn program(program: &Program) -> Value {
    json!({
        "name": program.name,
        "version": program.version,
        "bytes": program.size,
        "stripped_bytes": program.stripped,
    })
}

fn row(row: &Row) -> Value {
    json!({
        "scenario": row.key.scenario,
        "variant": row.key.variant,
        "about": row.key.about,
        "transport": row.key.transport.to_string(),
        "name": row.name,
        "trouble": row.trouble,
        "turns": row.turns.iter().map(turn).collect::<Vec<_>>(),
    })
}

fn turn(figures: &Figures) -> Value {
    let figures = figures.iter();
    figures
        .map(|(metric, value)| (metric.key().to_owned(), json!(value)))
        .collect::<Map<_, _>>()
        .into()
}
