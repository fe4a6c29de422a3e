//! `tunnel ingress`: checks the rules of a file, and shows which one answers a URL.

use std::io::Write;
use std::process::ExitCode;

use adit_config::check::{self, Given, Outcome};
use adit_config::resolve::rules_of_file;
use adit_ingress::Router;

use super::Call;
use crate::failure::Failure;
use crate::program::print;

/// Checks every rule.
pub(super) fn validate(call: &Call<'_>) -> Result<ExitCode, Failure> {
    let json = call.options.is_set("json").then(|| call.options.text("json"));
    let configuration = &call.configuration;
    let reading = configuration.reading.as_ref();
    tell(
        call,
        check::validate(&Given {
            file: reading.map(|reading| (configuration.path.as_str(), reading)),
            json: json.as_deref(),
            url_is_set: call.options.is_set("url"),
        }),
    )
}

/// Shows which rule answers a URL.
pub(super) fn rule(call: &Call<'_>) -> Result<ExitCode, Failure> {
    let url = call.options.arguments.first().map_or("", String::as_str);
    tell(call, matching(call, url))
}

fn matching(call: &Call<'_>, url: &str) -> Outcome {
    let name = &call.configuration.path;
    let file = call.configuration.file();
    let asked = check::question(url).and_then(|question| Ok((question, check::rules_to_ask(name, &file)?)));
    let (question, rules) = match asked {
        Ok(asked) => asked,
        Err(outcome) => return outcome,
    };
    let router = Router::new(&rules.rules);
    let index = router.find(&question.host, &question.path);
    check::answer(name, index, &rules.rules[index])
}

/// Prints what a check found, and where.
fn tell(call: &Call<'_>, outcome: Outcome) -> Result<ExitCode, Failure> {
    call.log.flush();
    print(&outcome.stdout);
    let mut text = outcome.stderr;
    if outcome.exit != 0
        && let Some(hint) = place(call)
    {
        text.push_str(&format!("  hint: {hint}\n"));
    }
    match std::io::stderr().lock().write_all(text.as_bytes()) {
        // The exit code says enough.
        Ok(()) | Err(_) => Ok(ExitCode::from(outcome.exit)),
    }
}

/// Returns where the rules of the file are wrong, and what to try.
fn place(call: &Call<'_>) -> Option<String> {
    if call.options.is_set("json") || !call.configuration.exists() {
        return None;
    }
    let error = rules_of_file(&call.configuration.file()).err()?;
    call.configuration.refuse(&error).hint_text().map(str::to_owned)
}
