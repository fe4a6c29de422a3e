//! What `tunnel ingress validate` says, byte for byte.

use std::collections::BTreeMap;

use adit_vectors::{File, Verdict, same};
use serde_json::Value;

use crate::command::{Disk, Line, recorded};

#[test]
fn validation_says_what_upstream_says() {
    let Some(vectors) = File::open("ingress-validate") else {
        return;
    };
    let mut report = vectors.report();
    for case in vectors.cases("cases") {
        report.give(&case["id"], judge(case, &vectors.content()["default_args"]));
    }
    report.finish();
}

fn judge(case: &Value, default_args: &Value) -> Verdict {
    let args: Vec<String> = words(case.get("args").unwrap_or(default_args));
    let recorded = recorded(case);
    if recorded.stdout.starts_with("Incorrect Usage") {
        // The flag that upstream refuses here is accepted everywhere: decision 3.
        return Verdict::Differs("flags-after-subcommands");
    }
    let env: BTreeMap<String, String> = case.get("env").map(texts).unwrap_or_default();
    same(&Line::new(&args).run(&env, &disk(case)), &recorded)
}

fn disk(case: &Value) -> Disk {
    let files = case.get("files").map(texts).unwrap_or_default();
    let home = |(path, text): (String, String)| (format!("{{{{HOME}}}}/{path}"), text.into_bytes());
    let mut disk: Disk = files.into_iter().map(home).collect();
    if let Some(text) = case["yaml"].as_str() {
        disk.insert(String::from("c.yml"), text.as_bytes().to_vec());
    }
    disk
}

fn words(value: &Value) -> Vec<String> {
    let words = value.as_array().expect("arguments are a list").iter();
    words
        .map(|word| word.as_str().expect("an argument is a text").to_owned())
        .collect()
}

fn texts(value: &Value) -> BTreeMap<String, String> {
    let texts = value.as_object().expect("texts have names").iter();
    let text = |value: &Value| value.as_str().expect("a text is a text").to_owned();
    texts.map(|(name, value)| (name.clone(), text(value))).collect()
}
