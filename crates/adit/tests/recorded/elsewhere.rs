//! Deliberate differences of commands that run no tunnel: those of an account, the far log, and
//! the service of forwarders.

use serde_json::Value;

use crate::world::texts;

/// Where nobody looks, lines of `tail` have no colours.
pub(crate) fn colours_where_seen(case: &Value, expect: &mut Value) -> bool {
    if texts(&case["argv"]).first().map(String::as_str) != Some("tail") {
        return false;
    }
    let lines = expect["stderr"].as_array_mut().into_iter().flatten();
    let mut changed = false;
    for line in lines {
        let coloured = line.as_str().unwrap_or_default();
        let plain = without_colours(coloured);
        changed |= plain != coloured;
        *line = plain.into();
    }
    changed
}

/// The service of forwarders says on the terminal what it watches.
pub(crate) fn the_service_is_told(case: &Value, expect: &mut Value) -> bool {
    let bare = case["argv"].as_array().is_some_and(Vec::is_empty);
    let watched = case["setup"]["files"]
        .as_object()
        .and_then(|files| files.keys().next());
    let fails = expect["outcome"] == "exit" && expect["stderr"].to_string().contains("config.Forwarder");
    let (true, true, Some(path)) = (bare, fails, watched) else {
        return false;
    };
    let Some(lines) = expect["stderr"].as_array_mut() else {
        return false;
    };
    lines.insert(0, format!("<TIME> INF monitoring config file at: {path}").into());
    true
}

/// What ends a line is no pair of letters.
pub(crate) fn lines_are_lines(_: &Value, expect: &mut Value) -> bool {
    let Some(lines) = expect.get_mut("stderr").and_then(Value::as_array_mut) else {
        return false;
    };
    let before = lines.len();
    let parts = lines.iter().filter_map(Value::as_str);
    *lines = parts
        .flat_map(|line| line.split("\\n"))
        .map(Value::from)
        .collect();
    lines.len() != before
}

fn without_colours(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.split_once('m').map_or("", |(_, text)| text));
    first + &rest.collect::<String>()
}
