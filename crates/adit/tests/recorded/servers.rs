//! What answers a recorded command line: names, and an API that says what it was recorded to say.

use std::io::Write;
use std::net::{TcpListener, UdpSocket};

use adit_vectors::service::Service;
use serde_json::Value;

/// Starts a server of names on port 53.
pub(crate) fn names() {
    let socket = UdpSocket::bind("127.0.0.1:53").expect("the network is the test's own");
    std::thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut question) {
            if let Some(answer) = answer(&question[..length]) {
                // The program may have gone.
                drop(socket.send_to(&answer, from));
            }
        }
    });
}

/// Starts the API on port 18080; it gives the recorded responses in order.
pub(crate) fn api(exchanges: &[Value]) -> Service {
    let listener = TcpListener::bind("127.0.0.1:18080").expect("the network is the test's own");
    let exchanges = exchanges.to_vec();
    Service::start(listener, Ok, move |stream, index, _| {
        let exchange = exchanges.get(index).unwrap_or(&Value::Null);
        stream.write_all(response(&exchange["response"]).as_bytes())?;
        Ok(true)
    })
}

/// Record types.
const A: u16 = 1;
const TXT: u16 = 16;
const SRV: u16 = 33;

fn answer(question: &[u8]) -> Option<Vec<u8>> {
    let (name, end) = read_name(question, 12)?;
    let kind = u16::from_be_bytes(question.get(end..end + 2)?.try_into().ok()?);
    let records = records(&name, kind);
    let mut answer = question[..2].to_vec();
    let (flags, count): (u16, u16) = match &records {
        Some(records) => (0x8180, u16::try_from(records.len()).ok()?),
        None => (0x8183, 0),
    };
    answer.extend(flags.to_be_bytes());
    for number in [1, count, 0, 0] {
        answer.extend(number.to_be_bytes());
    }
    answer.extend(&question[12..end + 4]);
    for data in records.unwrap_or_default() {
        answer.extend([0xc0, 12]);
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1, 0, 0, 0, 60]);
        answer.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
        answer.extend(data);
    }
    Some(answer)
}

/// Returns the records of a name; nothing for names that do not exist.
fn records(name: &str, kind: u16) -> Option<Vec<Vec<u8>>> {
    let addresses = |addresses: &[[u8; 4]]| addresses.iter().map(|address| address.to_vec()).collect();
    let (own, data): (u16, Vec<Vec<u8>>) = match name {
        "cfd-features.argotunnel.com" => (TXT, text(r#"{"dv3_2":0,"skip_prechecks":false}"#)),
        "protocol-v2.argotunnel.com" => (
            TXT,
            text(r#"[{"protocol":"quic","percentage":100},{"protocol":"http2","percentage":100}]"#),
        ),
        "_v2-origintunneld._tcp.argotunnel.com" | "_us-v2-origintunneld._tcp.argotunnel.com" => (
            SRV,
            vec![
                service("region1.v2.argotunnel.com"),
                service("region2.v2.argotunnel.com"),
            ],
        ),
        "region1.v2.argotunnel.com" => (A, addresses(&[[127, 1, 0, 1], [127, 1, 0, 2]])),
        "region2.v2.argotunnel.com" => (A, addresses(&[[127, 2, 0, 1], [127, 2, 0, 2]])),
        "api.cloudflare.com"
        | "update.argotunnel.com"
        | "api.trycloudflare.com"
        | "management.argotunnel.com" => (A, addresses(&[[127, 9, 9, 9]])),
        _ => return None,
    };
    Some(if own == kind { data } else { Vec::new() })
}

fn text(text: &str) -> Vec<Vec<u8>> {
    let length = u8::try_from(text.len()).expect("the texts above are short");
    vec![[&[length], text.as_bytes()].concat()]
}

fn service(target: &str) -> Vec<u8> {
    let mut data = vec![0, 1, 0, 1];
    data.extend(7844_u16.to_be_bytes());
    for label in target.split('.') {
        data.push(u8::try_from(label.len()).expect("labels are short"));
        data.extend(label.as_bytes());
    }
    data.push(0);
    data
}

fn read_name(packet: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*packet.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        let label = packet.get(at..at + length)?;
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        at += length;
    }
}

fn response(response: &Value) -> String {
    let status = response["status"].as_u64().unwrap_or(500);
    let kind = response["content_type"].as_str().unwrap_or("application/json");
    let text = response["body"].as_str().map(str::to_owned);
    let body = text.unwrap_or_else(|| response["body"].to_string());
    let length = body.len();
    format!("HTTP/1.1 {status} Status\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// Holds addresses so that the program finds them taken.
pub(crate) fn occupy(addresses: &[String]) -> Vec<TcpListener> {
    let listen = |address: &String| TcpListener::bind(address).expect("the network is the test's own");
    addresses.iter().map(listen).collect()
}
