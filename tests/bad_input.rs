//! Bad input gets one clear message that names the place, and nothing is started.

use std::path::Path;

use crate::subject::{self, Ended};

/// What is wrong, the configuration, what the message says in upstream's words, and where.
const CASES: [(&str, &str, &str, &str); 5] = [
    (
        "broken YAML",
        "ingress:\n- service: http_status:404\n  path: \"\\.x\"\n",
        "error parsing YAML in config file at",
        "config.yml:3",
    ),
    (
        "a rule without a catch-all",
        "ingress:\n- hostname: a.example.com\n  service: http_status:404\n",
        "The last ingress rule must match all URLs (i.e. it should not have a hostname or path filter)",
        "config.yml:2",
    ),
    (
        "a port that is no number",
        "ingress:\n- service: http://localhost:http8080\n",
        "invalid port \\\":http8080\\\" after host",
        "config.yml:2",
    ),
    (
        "a service without a scheme",
        "ingress:\n- hostname: a.example.com\n  service: localhost\n- service: http_status:404\n",
        "localhost is an invalid address, please make sure it has a scheme and a hostname",
        "config.yml:3",
    ),
    (
        "a duration without a unit",
        "originRequest:\n  connectTimeout: 30\ningress:\n- service: http_status:404\n",
        "cannot unmarshal !!int `30` into time.Duration",
        "config.yml:2",
    ),
];

#[tokio::test]
async fn a_bad_configuration_names_file_and_line() {
    for (name, config, words, place) in CASES {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write(folder.path(), "config.yml", config);
        let ended = start(folder.path(), &["--config", "config.yml"], &["--token", TOKEN]).await;
        assert_eq!(ended.status.code(), Some(1), "{name}: {}", ended.err);
        assert!(ended.err.contains(words), "{name}: {}", ended.err);
        if subject::is_ours() {
            assert!(
                ended.err.contains(place),
                "{name}: no {place:?} in: {}",
                ended.err
            );
        }
        assert_nothing_started(name, &ended);
    }
}

#[tokio::test]
async fn a_missing_file_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ended = start(folder.path(), &["--config", "absent.yml"], &["--token", TOKEN]).await;
    assert_eq!(ended.status.code(), Some(1), "{}", ended.err);
    assert!(
        ended.err.contains("open absent.yml: no such file or directory"),
        "{}",
        ended.err
    );
    assert_nothing_started("a missing file", &ended);
}

#[tokio::test]
async fn bad_credentials_are_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(
        folder.path(),
        "config.yml",
        "ingress:\n- service: http_status:404\n",
    );
    write(folder.path(), "broken.json", "{\"AccountTag\":");
    let tunnel = "6ff42ae2-765d-4adf-8112-31c55c1551ef";
    let cases = [
        (
            "absent.json",
            "Tunnel credentials file 'absent.json' doesn't exist or is not a file",
        ),
        ("broken.json", "Invalid JSON when parsing tunnel credentials file"),
    ];
    for (file, words) in cases {
        let run = ["--credentials-file", file, tunnel];
        let ended = start(folder.path(), &["--config", "config.yml"], &run).await;
        assert_eq!(ended.status.code(), Some(1), "{file}: {}", ended.err);
        assert!(ended.err.contains(words), "{file}: {}", ended.err);
        assert!(ended.err.contains(file), "{file}: {}", ended.err);
        assert_nothing_started(file, &ended);
    }
}

#[tokio::test]
async fn a_bad_token_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ended = start(folder.path(), &[], &["--token", "no token"]).await;
    assert_eq!(ended.status.code(), Some(255), "{}", ended.err);
    assert!(
        ended.err.contains("Provided Tunnel token is not valid."),
        "{}",
        ended.err
    );
    assert_nothing_started("a bad token", &ended);
}

/// `{"a":"account","t":"6ff42ae2-765d-4adf-8112-31c55c1551ef","s":"c2VjcmV0"}`
const TOKEN: &str =
    "eyJhIjoiYWNjb3VudCIsInQiOiI2ZmY0MmFlMi03NjVkLTRhZGYtODExMi0zMWM1NWMxNTUxZWYiLCJzIjoiYzJWamNtVjAifQ==";

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("a file is written");
}

async fn start(folder: &Path, tunnel_flags: &[&str], run_flags: &[&str]) -> Ended {
    let edge = [
        "--no-autoupdate",
        "--no-prechecks",
        "--edge",
        "127.0.0.1:9",
        "--metrics",
        "127.0.0.1:0",
    ];
    let arguments = [&["tunnel"], &edge[..], tunnel_flags, &["run"], run_flags].concat();
    subject::run(folder, arguments).await
}

fn assert_nothing_started(name: &str, ended: &Ended) {
    for line in ["Starting metrics server", "Registering tunnel connection"] {
        assert!(
            !ended.err.contains(line) && !ended.out.contains(line),
            "{name}: {}",
            ended.err
        );
    }
}
