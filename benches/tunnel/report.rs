//! Results for people and for programs.

mod chart;
mod goals;
mod json;
mod markdown;
mod plots;

use std::path::Path;

use crate::Trouble;
use crate::results::Results;

/// Writes the results into a folder: JSON, a page of Markdown and plots.
pub(crate) fn write(results: &Results, folder: &Path) -> Result<(), Trouble> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("results.json"), json::whole(results)?)?;
    std::fs::write(folder.join("results.md"), markdown::page(results))?;
    for (name, plot) in plots::all(results) {
        std::fs::write(folder.join(format!("{name}.svg")), plot)?;
    }
    Ok(())
}

/// Returns what is shown at the end of a run.
pub(crate) fn summary(results: &Results) -> String {
    goals::table(results)
}
