//! The command line of `tunnel ingress`, as far as it matters here, around the functions of this
//! crate.

use std::collections::BTreeMap;

use adit_config::check::{self, Given, Outcome};
use adit_config::{File, Reading, Setting};
use serde_json::Value;

use crate::flags::FLAGS;

/// The words of a command line, sorted out.
#[derive(Debug, Default)]
pub(crate) struct Line {
    pub(crate) config: Option<String>,
    url: bool,
    json: Option<String>,
    words: Vec<String>,
}

/// What a command finds on the disk: texts by path.
pub(crate) type Disk = BTreeMap<String, Vec<u8>>;

impl Line {
    pub(crate) fn new(args: &[String]) -> Self {
        let mut line = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--config" => line.config = args.next().cloned(),
                "--json" | "-j" => line.json = args.next().cloned(),
                "--url" => line.url = args.next().is_some(),
                word => line.words.push(word.to_owned()),
            }
        }
        line
    }

    /// Runs the command; `env` and `disk` are all it sees of the world.
    pub(crate) fn run(mut self, env: &BTreeMap<String, String>, disk: &Disk) -> Outcome {
        if let Some(json) = env.get("TUNNEL_INGRESS_VALIDATE_JSON") {
            self.json.get_or_insert_with(|| json.clone());
        }
        let (name, reading) = match self.read(disk) {
            Ok(read) => read,
            Err(outcome) => return outcome,
        };
        let file = match &reading {
            Some(Reading::File { file, .. }) => Some(file.as_ref()),
            _ => None,
        };
        if let Err(problem) = file.map_or(Ok(()), |file| settings(file, env)) {
            return failed(&problem);
        }
        let file_url = file.and_then(|file| file.setting("url"));
        let given = Given {
            file: reading.as_ref().map(|reading| (name.as_str(), reading)),
            json: self.json.as_deref(),
            url_is_set: self.url || env.contains_key("TUNNEL_URL") || file_url.is_some(),
        };
        let mut outcome = match self.words.iter().position(|word| word == "rule") {
            Some(at) => rule(self.words.get(at + 1), &name, file),
            None => check::validate(&given),
        };
        if reading == Some(Reading::Empty) {
            let log = format!("{{{{TS}}}} ERR Configuration file {name} was empty\n");
            outcome.stderr.insert_str(0, &log);
        }
        outcome
    }

    /// Reads the file that is named, or the first one that is found.
    fn read(&self, disk: &Disk) -> Result<(String, Option<Reading>), Outcome> {
        let found = match &self.config {
            Some(name) => Some(name.clone()),
            None => DEFAULTS
                .iter()
                .find(|path| disk.contains_key(**path))
                .map(|path| (*path).to_owned()),
        };
        let Some(name) = found else {
            return Ok((String::new(), None));
        };
        let Some(text) = disk.get(&name) else {
            return Err(failed(&unreadable(&name)));
        };
        let reading = File::read(&name, text).map_err(|error| failed(&error.problem))?;
        Ok((name, Some(reading)))
    }
}

/// Where the program looks for a file that is not named.
const DEFAULTS: &[&str] = &[
    "{{HOME}}/.cloudflared/config.yml",
    "{{HOME}}/.cloudflared/config.yaml",
    "{{HOME}}/.cloudflare-warp/config.yml",
    "{{HOME}}/.cloudflare-warp/config.yaml",
    "{{HOME}}/cloudflare-warp/config.yml",
    "{{HOME}}/cloudflare-warp/config.yaml",
];

/// What the program says about a file that it cannot read.
fn unreadable(name: &str) -> String {
    match name {
        "/" => {
            String::from("error parsing YAML in config file at /: yaml: input error: read /: is a directory")
        }
        _ => format!("open {name}: no such file or directory"),
    }
}

/// Fits the settings of a file to the flags that nobody else set.
pub(crate) fn settings(file: &File, env: &BTreeMap<String, String>) -> Result<(), String> {
    for (name, kind) in FLAGS {
        let silent = *name != "url" || !env.contains_key("TUNNEL_URL");
        if let Some(value) = file.setting(name).filter(|_| silent) {
            Setting::read(name, *kind, value).map_err(|error| error.problem)?;
        }
    }
    Ok(())
}

fn rule(argument: Option<&String>, name: &str, file: Option<&File>) -> Outcome {
    let question = match check::question(argument.map_or("", String::as_str)) {
        Ok(question) => question,
        Err(outcome) => return outcome,
    };
    let file = file.cloned().unwrap_or_default();
    let rules = match check::rules_to_ask(name, &file) {
        Ok(rules) => rules,
        Err(outcome) => return outcome,
    };
    // Matching is another crate's; where one rule is all there is, it is the answer.
    assert_eq!((rules.rules.len(), question.path.len()), (1, 0));
    check::answer(name, 0, &rules.rules[0])
}

fn failed(problem: &str) -> Outcome {
    Outcome {
        stderr: format!("{problem}\n"),
        exit: 1,
        ..Outcome::default()
    }
}

/// Returns the recorded outcome of a case.
pub(crate) fn recorded(case: &Value) -> Outcome {
    let text = |key: &str| case[key].as_str().unwrap_or_default().to_owned();
    let exit = case["exit"].as_u64().expect("a case has an exit code");
    Outcome {
        stdout: text("stdout"),
        stderr: text("stderr"),
        exit: u8::try_from(exit).expect("an exit code is a byte"),
    }
}
