//! Recorded answers of the rules: which one leads a request, and what is said about it.

use adit_config::File;
use adit_config::check;
use adit_config::file::Reading;
use adit_dialect::base64;
use adit_ingress::Router;
use adit_vectors::same;
use serde_json::Value;

#[test]
fn the_right_rule_answers() {
    let Some(file) = adit_vectors::File::open("ingress-match") else {
        return;
    };
    let mut report = file.report();
    for case in file.cases("cases") {
        let config = read(&file.content()["configs"], &case["config"]);
        let outcome = rule(&config, case["url"].as_str().expect("a URL"));
        let text = |key: &str| case[key].as_str().unwrap_or_default().to_owned();
        let exit = u8::try_from(case["exit"].as_u64().expect("a code")).expect("a code");
        report.give(
            &case["id"],
            same(&outcome, &(text("stdout"), text("stderr"), exit)),
        );
    }
    for case in file.cases("request_cases") {
        let config = read(&file.content()["configs"], &case["config"]);
        let rules = adit_config::resolve::rules_of_file(&config).expect("rules");
        let path = base64::decode(case["path_b64"].as_str().expect("a path")).expect("base64");
        let host = case["host"].as_str().expect("a host").as_bytes();
        let index = Router::new(&rules.rules).find(host, &path);
        let outcome = (index as u64, rules.rules[index].service.to_string());
        let recorded = (
            case["rule"].as_u64().expect("a rule"),
            case["service"].as_str().expect("a service"),
        );
        report.give(&case["id"], same(&outcome, &(recorded.0, recorded.1.to_owned())));
    }
    report.finish();
}

fn rule(config: &File, url: &str) -> (String, String, u8) {
    let asked =
        check::question(url).and_then(|question| Ok((question, check::rules_to_ask("c.yml", config)?)));
    let outcome = match asked {
        Ok((question, rules)) => {
            let index = Router::new(&rules.rules).find(&question.host, &question.path);
            check::answer("c.yml", index, &rules.rules[index])
        }
        Err(outcome) => outcome,
    };
    (outcome.stdout, outcome.stderr, outcome.exit)
}

fn read(configs: &Value, name: &Value) -> File {
    let text = configs[name.as_str().expect("a name")]
        .as_str()
        .expect("a configuration");
    match File::read("c.yml", text.as_bytes()) {
        Ok(Reading::File { file, .. }) => *file,
        other => panic!("{name}: {other:?}"),
    }
}
