//! The `path` expressions of recorded configurations: accepted, refused, compiled.

use adit_dialect::regex::{NEST_LIMIT, Pattern, SIZE_LIMIT};
use adit_vectors::File;
use serde_json::Value;

/// What precedes a refusal in the recorded messages.
const REFUSAL: &str = " has an invalid regex: ";

#[test]
fn recorded_refusals() {
    let Some(file) = File::open("ingress-validate") else {
        return;
    };
    let mut checked = 0;
    for case in file.cases("cases") {
        let Some((_, refusal)) = case["stderr"].as_str().and_then(|text| text.split_once(REFUSAL)) else {
            continue;
        };
        let Some(paths) = case["yaml"].as_str().and_then(paths) else {
            continue;
        };
        let refused = paths.iter().find_map(|path| Pattern::parse(path).err());
        let refused = refused.map(|error| error.to_string());
        assert_eq!(
            refused.as_deref(),
            Some(refusal.trim_end_matches('\n')),
            "{}",
            case["name"]
        );
        checked += 1;
    }
    assert!(checked > 0, "no case refuses an expression");
}

#[test]
fn recorded_configurations() {
    let (Some(validate), Some(matching)) = (File::open("ingress-validate"), File::open("ingress-match"))
    else {
        return;
    };
    let accepted = validate
        .cases("cases")
        .iter()
        .filter(|case| case["accepted"] == true);
    let configurations = matching.content()["configs"].as_object().into_iter().flatten();
    let texts = accepted
        .map(|case| &case["yaml"])
        .chain(configurations.map(|(_, text)| text));
    for path in texts.filter_map(Value::as_str).filter_map(paths).flatten() {
        let pattern = Pattern::parse(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let compiled = regex::RegexBuilder::new(pattern.translated())
            .nest_limit(NEST_LIMIT)
            .size_limit(SIZE_LIMIT)
            .build();
        assert!(compiled.is_ok(), "{path} as {}", pattern.translated());
    }
}

/// Returns the values of `path` in a YAML text, if all of them are simple scalars.
fn paths(yaml: &str) -> Option<Vec<String>> {
    let lines = yaml.lines().map(|line| line.trim_start_matches(['-', ' ']));
    let values = lines.filter_map(|line| line.strip_prefix("path:"));
    values.map(|value| scalar(value.trim())).collect()
}

fn scalar(text: &str) -> Option<String> {
    if let Some(quoted) = text.strip_prefix('\'') {
        return Some(quoted.strip_suffix('\'')?.replace("''", "'"));
    }
    if let Some(quoted) = text.strip_prefix('"') {
        return unescaped(quoted.strip_suffix('"')?);
    }
    let simple = !text.starts_with(['&', '*', '|', '>', '!', '{', '[', '~', '#']) && !text.contains(" #");
    simple.then(|| text.to_owned())
}

fn unescaped(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let c = if c == '\\' {
            rest.next().and_then(escape)?
        } else {
            c
        };
        out.push(c);
    }
    Some(out)
}

fn escape(letter: char) -> Option<char> {
    match letter {
        '\\' | '"' | '/' => Some(letter),
        '0' => Some('\0'),
        'n' => Some('\n'),
        't' => Some('\t'),
        _ => None,
    }
}
