//! Sans-IO. The report as people read it, and as files hold it.

use adit_dialect::json::Writer;
use adit_exchange::Transport;

use super::{Component, Report, Row, Status, Verdict};

impl Report {
    /// Returns the report as a box of text, line by line.
    #[must_use]
    pub fn table(&self) -> Vec<String> {
        let mut lines = vec![TITLE.to_owned(), String::new()];
        lines.extend(self.columns());
        lines.push(String::new());
        let severity = match self.verdict() {
            Verdict::HardFail => "ERROR",
            Verdict::Degraded | Verdict::Healthy => "WARNING",
        };
        let advice: Vec<_> = self.rows.iter().filter_map(Row::advice).collect();
        if !advice.is_empty() {
            lines.extend(advice.iter().map(|advice| format!("{severity}: {advice}")));
            lines.push(String::new());
        }
        lines.push(self.summary());
        boxed(&lines)
    }

    /// Returns the report as the JSON that a diagnosis holds.
    #[must_use]
    pub fn json(&self) -> String {
        let mut json = Writer::new();
        json.begin_object().key("RunID").string(self.run.to_string());
        json.key("Results").begin_array();
        for row in &self.rows {
            json.begin_object();
            json.key("Type").integer(row.component as i64);
            json.key("Component").string(row.component.name());
            json.key("Target").string(&row.target);
            json.key("ProbeStatus").integer(row.status as i64);
            json.key("Details").string(&row.details);
            json.key("Action").string(row.advice().unwrap_or_default());
            json.end_object();
        }
        json.end_array().key("SuggestedProtocol");
        match self.suggested() {
            Some(Transport::Http2) => json.integer(0),
            Some(Transport::Quic) => json.integer(1),
            None => json.null(),
        };
        json.end_object();
        json.finish()
    }

    fn columns(&self) -> Vec<String> {
        let head = ["COMPONENT", "TARGET", "STATUS", "DETAILS"].map(str::to_owned);
        let mut cells = vec![head];
        cells.extend(self.rows.iter().map(|row| {
            let status = row.status.name().to_uppercase();
            [
                row.component.name().to_owned(),
                row.target.clone(),
                status,
                row.details.clone(),
            ]
        }));
        let mut widths = [0; 4];
        for row in &cells {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        let line = |row: &[String; 4]| {
            let padded = row
                .iter()
                .zip(widths)
                .map(|(cell, width)| format!("{cell:width$}"));
            padded.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
        };
        cells.iter().map(line).collect()
    }

    fn summary(&self) -> String {
        let beginning = match self.verdict() {
            Verdict::HardFail => {
                return "SUMMARY: Environment has critical failures. The tunnel cannot come up.".to_owned();
            }
            Verdict::Degraded => "SUMMARY: Environment ready with degraded transport.",
            Verdict::Healthy => "SUMMARY: Environment is healthy.",
        };
        match (self.suggested(), self.verdict()) {
            (None, _) => beginning.to_owned(),
            (Some(transport), Verdict::Healthy) => format!("{beginning} Primary protocol: {transport}."),
            (Some(transport), Verdict::Degraded | Verdict::HardFail) => {
                format!("{beginning} Protocol in use: {transport}.")
            }
        }
    }
}

fn boxed(lines: &[String]) -> Vec<String> {
    let width = lines
        .iter()
        .map(|line| line.chars().count())
        .max()
        .unwrap_or_default();
    let edge = format!("+{}+", "-".repeat(width + 2));
    let mut out = vec![edge.clone()];
    out.extend(lines.iter().map(|line| format!("| {line:width$} |")));
    out.push(edge);
    out
}

const TITLE: &str = "CONNECTIVITY PRE-CHECKS";
const GAP: &str = "  ";

// The numbers in files are those of the declarations.
const _: () = {
    assert!(Component::Dns as i64 == 0 && Component::Udp as i64 == 1);
    assert!(Component::Tcp as i64 == 2 && Component::Api as i64 == 3);
    assert!(Status::Pass as i64 == 0 && Status::Fail as i64 == 1 && Status::Skip as i64 == 2);
};
