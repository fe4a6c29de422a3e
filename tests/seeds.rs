//! Configurations found in the wild: `adit try` answers by the right rule, each time.
//!
//! They name ports of their own, so their origins live in a network namespace of their own: the
//! test runs this binary again inside one.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use adit_vectors::{File, Verdict};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::subject;

/// The file that one of the configurations wants its certificates in.
const POOL: &str = "/path/to/ca.pem";

#[tokio::test]
async fn configurations_found_in_the_wild_answer_by_the_right_rule() {
    if !subject::is_ours() {
        return;
    }
    let Some(file) = File::open("ingress-match") else {
        return;
    };
    let configurations = file.content()["configs"]
        .as_object()
        .expect("configurations by name");
    for name in configurations.keys().filter(|name| name.starts_with("seed_")) {
        let inside = Command::new("unshare")
            .args(["--map-root-user", "--net"])
            .arg(std::env::current_exe().expect("the path of this test"))
            .args(["--exact", "seeds::inside", "--ignored", "--nocapture"])
            .env(SEED, name)
            .stdin(Stdio::null())
            .output();
        let inside = inside.await.expect("`unshare` of util-linux runs");
        let out = String::from_utf8_lossy(&inside.stdout);
        assert!(
            inside.status.success(),
            "{out}\n{}",
            String::from_utf8_lossy(&inside.stderr)
        );
        let told = out
            .lines()
            .find(|line| line.starts_with("ingress-match (try "))
            .expect("a count of cases");
        adit_vectors::say(told);
    }
}

/// Names the configuration that [`inside`] tries.
const SEED: &str = "ADIT_TEST_SEED";

#[tokio::test]
#[ignore = "runs inside a network namespace of its own, started by the test above"]
async fn inside() {
    let up = Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .status()
        .await;
    assert!(up.expect("`ip` of iproute2 runs").success());
    #[expect(
        clippy::disallowed_methods,
        reason = "the test above says which configuration it is"
    )]
    let name = std::env::var(SEED).expect("the name of a configuration");
    let file = File::open("ingress-match").expect("the test above has found it");
    let yaml = file.content()["configs"][&name]
        .as_str()
        .expect("a configuration is text");
    let cases: Vec<_> = file
        .cases("cases")
        .iter()
        .filter(|case| case["config"] == *name)
        .collect();
    let mut report = file.report_as(&format!("ingress-match (try {name})"));
    for (case, verdict) in try_all(yaml, &cases).await {
        report.give(&case["id"], verdict);
    }
    report.finish();
}

/// Runs one configuration with all its requests.
async fn try_all<'a>(yaml: &str, cases: &[&'a Value]) -> Vec<(&'a Value, Verdict)> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pool = folder.path().join("pool.pem");
    let yaml = yaml.replace(POOL, &pool.display().to_string());
    std::fs::write(folder.path().join("config.yml"), &yaml).expect("the configuration is written");
    let _origins = origins(cases, &pool);

    let mut command = subject::command(folder.path());
    command
        .args(["try", "--config", "config.yml", "--loglevel", "debug"])
        .env("SSL_CERT_FILE", &pool);
    let cases: Vec<_> = cases
        .iter()
        .filter(|case| url(case).starts_with("http"))
        .collect();
    for case in &cases {
        command.args(["--request", url(case)]);
    }
    let output = command.output().await.expect("the program runs");
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    let answers: Vec<_> = out.split("GET ").skip(1).collect();
    let rules: Vec<_> = err
        .lines()
        .filter(|line| line.contains(" DBG GET "))
        .map(rule)
        .collect();
    assert_eq!(
        (answers.len(), rules.len()),
        (cases.len(), cases.len()),
        "{out}\n{err}"
    );
    let answers = answers.into_iter().zip(rules);
    cases
        .into_iter()
        .zip(answers)
        .map(|(case, (answer, rule))| (*case, judge(case, answer, rule)))
        .collect()
}

fn url(case: &Value) -> &str {
    case["url"].as_str().expect("a case has a URL")
}

/// Reads the number of the rule off the line of a request.
fn rule(line: &str) -> Option<u64> {
    let (_, after) = line.split_once("ingressRule=")?;
    after.split_whitespace().next()?.parse().ok()
}

fn judge(case: &Value, answer: &str, rule: Option<u64>) -> Verdict {
    let service = case["service"].as_str().expect("a case has a service");
    let expected = match service.strip_prefix("http_status:") {
        Some(status) => format!("\n{status}\n"),
        None => greeting(service),
    };
    if rule == case["rule"].as_u64() && answer.contains(&expected) {
        return Verdict::Same;
    }
    Verdict::Wrong(format!(
        "rule {rule:?} and no {expected:?} in {answer:?}, recorded: {case}"
    ))
}

/// What the origin behind a service says of itself.
fn greeting(service: &str) -> String {
    format!("this is {}", service.replace("://", " at "))
}

/// Starts the origins that the services of one configuration name.
fn origins(cases: &[&Value], pool: &Path) -> JoinSet<()> {
    let services: BTreeSet<_> = cases.iter().filter_map(|case| case["service"].as_str()).collect();
    let acceptor = authority(pool);
    let mut origins = JoinSet::new();
    for service in services {
        let Some((scheme, authority)) = service.split_once("://") else {
            continue;
        };
        let (_, port) = authority.rsplit_once(':').expect("a port");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().expect("a number")));
        let listener = std::net::TcpListener::bind(address).expect("the port is free");
        listener.set_nonblocking(true).expect("a socket of the runtime");
        let listener = TcpListener::from_std(listener).expect("a socket of the runtime");
        let text = greeting(service);
        match scheme {
            "http" => drop(origins.spawn(serve(listener, text, None))),
            "https" => drop(origins.spawn(serve(listener, text, Some(acceptor.clone())))),
            _ => drop(origins.spawn(greet(listener, text))),
        }
    }
    origins
}

/// Answers every request with a text.
async fn serve(listener: TcpListener, text: String, tls: Option<TlsAcceptor>) {
    while let Ok((stream, _)) = listener.accept().await {
        match &tls {
            None => answer(stream, &text).await,
            Some(tls) => {
                if let Ok(stream) = tls.accept(stream).await {
                    answer(stream, &text).await;
                }
            }
        }
    }
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, text: &str) {
    crate::world::head(&mut stream).await;
    let head = format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        text.len()
    );
    // A connector that has read enough may be gone.
    let _said = stream.write_all((head + text).as_bytes()).await;
    let _closed = stream.shutdown().await;
}

/// Says a text to everybody who comes.
async fn greet(listener: TcpListener, text: String) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let _said = stream.write_all(text.as_bytes()).await;
    }
}

/// Makes certificates for the names in use, and writes whom to trust.
fn authority(pool: &Path) -> TlsAcceptor {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer =
        CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
    std::fs::write(pool, issuer.pem()).expect("the authority is written");
    let names = ["mdleom.com", "www.mdleom.com", "app.local"].map(str::to_owned);
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(names).expect("names of hosts");
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("a certificate and its key");
    TlsAcceptor::from(Arc::new(config))
}
