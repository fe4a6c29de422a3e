//! `completions` and `man`: the tables of the command line for shells and for readers.

use std::process::ExitCode;

use clap_complete::Shell;
use clap_complete::aot::generate;
use clap_mangen::Man;

use super::Call;
use crate::cli;
use crate::failure::Failure;
use crate::program::print;

const SHELLS: [(&str, Shell); 5] = [
    ("bash", Shell::Bash),
    ("elvish", Shell::Elvish),
    ("fish", Shell::Fish),
    ("powershell", Shell::PowerShell),
    ("zsh", Shell::Zsh),
];

/// Prints completions for a shell.
pub(super) fn completions(call: &Call<'_>) -> Result<ExitCode, Failure> {
    let name = call.options.arguments.first().map_or("", String::as_str);
    let Some((_, shell)) = SHELLS.iter().find(|(known, _)| *known == name) else {
        let known: Vec<&str> = SHELLS.iter().map(|(known, _)| *known).collect();
        let text = format!("there are completions for {}", known.join(", "));
        return Err(Failure::arguments(text, &call.program.name, "completions"));
    };
    let mut text = Vec::new();
    generate(*shell, &mut cli::tree(), &call.program.name, &mut text);
    print(&String::from_utf8_lossy(&text));
    Ok(ExitCode::SUCCESS)
}

/// Prints the manual page.
pub(super) fn page(call: &Call<'_>) -> Result<ExitCode, Failure> {
    let mut text = Vec::new();
    Man::new(cli::tree().name(call.program.name.clone()))
        .render(&mut text)
        .map_err(Failure::of_error)?;
    print(&String::from_utf8_lossy(&text));
    Ok(ExitCode::SUCCESS)
}
