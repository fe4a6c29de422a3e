//! Recorded conversations with SOCKS clients.

use std::fmt::Write as _;

use adit_config::{IpRule, Network};
use adit_exchange::Class;
use adit_vectors::{File, same};
use serde_json::Value;
use tokio::io::{DuplexStream, duplex};

use super::*;

/// Bytes that a pipe of a test holds: more than any conversation has.
const ENOUGH: usize = 64 * 1024;

#[derive(Debug)]
struct Scripted {
    dialed: Mutex<Vec<String>>,
    outcome: Result<SocketAddr, String>,
    target: Mutex<Option<DuplexStream>>,
}

impl Reach for Scripted {
    fn resolve<'a>(&'a self, name: &'a str) -> Boxed<'a, Result<IpAddr, Failure>> {
        Box::pin(async move {
            match name {
                "localhost" => Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)),
                _ => Err(Failure::new(Class::Dns, "no such host")),
            }
        })
    }

    fn connect<'a>(&'a self, destination: &'a str) -> Boxed<'a, Result<Established, Failure>> {
        Box::pin(async move {
            self.dialed
                .lock()
                .expect("no test panicked")
                .push(destination.to_owned());
            let local = self
                .outcome
                .clone()
                .map_err(|text| Failure::new(Class::Refused, text))?;
            let target = self.target.lock().expect("no test panicked").take();
            Ok((Box::new(target.expect("one dial")) as Box<dyn Io>, local))
        })
    }
}

#[tokio::test]
async fn conversations_go_as_recorded() {
    let Some(file) = File::open("private-socks5") else {
        return;
    };
    let mut report = file.report();
    for case in file.cases("cases") {
        let text = |key: &str| case[key].as_str().unwrap_or_default().to_owned();
        let recorded = (
            text("server_sends_hex"),
            text("target_receives_hex"),
            case["dialed"].clone(),
        );
        let error = case["error"].as_str().map(str::to_owned);
        let (outcome, failure) = converse(case).await;
        report.give(&case["name"], same(&(outcome, failure), &(recorded, error)));
    }
    report.finish();
}

type Outcome = (String, String, Value);

async fn converse(case: &Value) -> (Outcome, Option<String>) {
    let (near, mut far) = duplex(ENOUGH);
    let outcome = match case["dial_error"].as_str() {
        Some(error) => Err(error.to_owned()),
        None => Ok(case["dial_local_addr"]
            .as_str()
            .expect("one of both")
            .parse()
            .expect("an address")),
    };
    let reach = Arc::new(Scripted {
        dialed: Mutex::default(),
        outcome,
        target: Mutex::new(Some(near)),
    });
    let policy = case["ip_rules"].as_array().map(|rules| Arc::new(policy(rules)));
    let (mut client, server) = duplex(ENOUGH);
    client
        .write_all(&bytes(&case["client_sends_hex"]))
        .await
        .expect("room");
    client.shutdown().await.expect("a pipe");
    let (mut server, shaken) = serve(server, policy, Arc::clone(&reach) as Arc<dyn Reach>).await;
    let failure = match shaken {
        Ok(mut io) => {
            far.write_all(&bytes(&case["target_sends_hex"]))
                .await
                .expect("room");
            far.shutdown().await.expect("a pipe");
            tokio::io::copy_bidirectional(&mut server, &mut io)
                .await
                .expect("pipes");
            None
        }
        Err(SocksError::Unsupported) => None,
        Err(SocksError::Client(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Some("unexpected EOF".to_owned())
        }
        Err(error) => Some(error.to_string()),
    };
    drop(server);
    let (mut sent, mut received) = (Vec::new(), Vec::new());
    client.read_to_end(&mut sent).await.expect("a pipe");
    drop(reach.target.lock().expect("no test panicked").take());
    far.read_to_end(&mut received).await.expect("a pipe");
    let dialed = reach.dialed.lock().expect("no test panicked").clone();
    ((hex(&sent), hex(&received), dialed.into()), failure)
}

fn policy(rules: &[Value]) -> Policy {
    let rules: Vec<IpRule> = rules
        .iter()
        .map(|rule| {
            let (address, length) =
                adit_dialect::ip::parse_network(rule["prefix"].as_str().expect("a prefix"))
                    .expect("a network");
            let ports = rule["ports"].as_array().into_iter().flatten();
            IpRule {
                network: Network::new(address, length),
                ports: ports.map(|port| port.as_u64().expect("a port") as u16).collect(),
                allow: rule["allow"] == true,
            }
        })
        .collect();
    Policy::new(&rules)
}

fn bytes(hex: &Value) -> Vec<u8> {
    let digits = hex.as_str().unwrap_or_default();
    let pairs = (0..digits.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex"))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    })
}
