//! Every public name, on this machine, saying what it was recorded to say.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rcgen::generate_simple_self_signed;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

use crate::tokens::{self, Tokens};
use crate::websocket::{self, Frames};

/// A request that arrived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    /// The fields with their names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// What was said in its WebSocket.
    pub(crate) frames: Frames,
}

/// The service.
#[derive(Clone)]
pub(crate) struct Service {
    script: Arc<Vec<Value>>,
    tokens: Arc<Tokens>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// The public names that records speak of.
const NAMES: [&str; 14] = [
    "localhost",
    "app.example.test",
    "ssh.example.test",
    "other.example.test",
    "team.cloudflareaccess.com",
    "login.cloudflareaccess.org",
    "login.fed.cloudflareaccess.org",
    "api.cloudflare.com",
    "api.fed.cloudflare.com",
    "api.trycloudflare.com",
    "management.argotunnel.com",
    "management.fed.argotunnel.com",
    "update.argotunnel.com",
    "APP.example.test",
];

impl Service {
    /// Starts the service; returns it with the certificate that it shows.
    pub(crate) fn start(case: &Value, tokens: &Arc<Tokens>) -> (Self, String) {
        std::fs::write("/etc/hosts", format!("127.0.0.1 {}\n", NAMES.join(" "))).unwrap();
        let listener = TcpListener::bind("127.0.0.1:443").unwrap();
        let made = generate_simple_self_signed(NAMES.map(str::to_owned)).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let config = Arc::new(config);
        let service = Self {
            script: Arc::new(case["script"].as_array().cloned().unwrap_or_default()),
            tokens: Arc::clone(tokens),
            seen: Arc::default(),
        };
        let served = service.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                let service = served.clone();
                // The program may leave whenever it wants.
                std::thread::spawn(move || drop(service.serve(StreamOwned::new(connection, stream))));
            }
        });
        (service, made.cert.pem())
    }

    /// Returns the requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn serve(&self, stream: impl Read + Write) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        while let Some(request) = receive(&mut reader)? {
            let index = {
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.push(request.clone());
                seen.len() - 1
            };
            let answer = self.script.get(index).cloned();
            let answer = answer.unwrap_or_else(|| serde_json::json!({ "status": 404 }));
            if let Some(seconds) = answer["delay"].as_f64() {
                // A part of the record: the service is slow.
                std::thread::sleep(Duration::from_secs_f64(seconds));
            }
            if answer["close"] == true {
                return Ok(());
            }
            if let Some(steps) = answer["ws"].as_array() {
                let key = request
                    .headers
                    .iter()
                    .find(|(name, _)| name == "sec-websocket-key");
                let key = key.map_or("", |(_, key)| key);
                let mut frames = Frames::default();
                let fill = |text: &str| self.tokens.fill(text);
                let played = websocket::play(reader.get_mut(), key, steps, &fill, &mut frames);
                self.seen.lock().unwrap_or_else(PoisonError::into_inner)[index].frames = frames;
                return played;
            }
            reader.get_mut().write_all(&self.response(&request, &answer))?;
            reader.get_mut().flush()?;
        }
        Ok(())
    }

    fn response(&self, request: &Seen, answer: &Value) -> Vec<u8> {
        let status = answer["status"].as_u64().unwrap_or(200);
        let mut head = format!("HTTP/1.1 {status} X\r\n");
        let mut body = self.tokens.fill(answer["body"].as_str().unwrap_or_default());
        if let Some(keys) = answer["jwks"].as_array() {
            body = self.tokens.set(keys);
        }
        if let Some(sealed) = answer.get("transfer") {
            let text = sealed.as_str().map_or_else(|| sealed.to_string(), str::to_owned);
            let key = request.path.rsplit('/').next().unwrap_or_default();
            let (message, own) = tokens::seal(&self.tokens.fill(&text), key, answer["corrupt"] == true);
            body = message;
            if answer["nokey"] != true {
                head.push_str(&format!("service-public-key: {own}\r\n"));
            }
        }
        for (name, value) in answer["headers"].as_object().into_iter().flatten() {
            let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
            for value in values {
                let value = self.tokens.fill(value.as_str().unwrap_or_default());
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        if request.method == "HEAD" {
            body.clear();
        }
        (head + &body).into_bytes()
    }
}

fn receive(reader: &mut impl BufRead) -> std::io::Result<Option<Seen>> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        head.push(line.to_owned());
    }
    let headers: Vec<(String, String)> = head
        .iter()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let mut words = head.first().map_or("", String::as_str).split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Ok(Some(Seen {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
        frames: Frames::default(),
    }))
}
