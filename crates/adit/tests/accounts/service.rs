//! An API on this machine that says what it was recorded to say.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use rcgen::generate_simple_self_signed;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

/// A request that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    /// The fields with their names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// The service.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Service {
    /// Starts a service that gives these answers in order.
    pub(crate) fn start(script: Vec<Value>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self::serve(&listener, script, |script, seen, stream| {
            serve(stream, script, seen)
        })
    }

    /// Starts a service under public names, with the certificate that this returns. The network is
    /// the case's own.
    pub(crate) fn public(script: Vec<Value>) -> (Self, String) {
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
        let service = Self::serve(&listener, script, move |script, seen, stream| {
            let connection = ServerConnection::new(Arc::clone(&config)).map_err(std::io::Error::other)?;
            serve(StreamOwned::new(connection, stream), script, seen)
        });
        (service, made.cert.pem())
    }

    fn serve(
        listener: &TcpListener,
        script: Vec<Value>,
        serve: impl Fn(&[Value], &Mutex<Vec<Seen>>, TcpStream) -> std::io::Result<()> + Clone + Send + 'static,
    ) -> Self {
        let listener = listener.try_clone().unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let taken = Arc::clone(&seen);
        std::thread::spawn(move || {
            let script = Arc::new(script);
            for stream in listener.incoming().flatten() {
                let (script, seen) = (Arc::clone(&script), Arc::clone(&taken));
                let serve = serve.clone();
                std::thread::spawn(move || drop(serve(&script, &seen, stream)));
            }
        });
        Self { address, seen }
    }

    /// Returns the requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The public names that records speak of.
const NAMES: [&str; 7] = [
    "localhost",
    "api.cloudflare.com",
    "api.fed.cloudflare.com",
    "api.trycloudflare.com",
    "login.cloudflareaccess.org",
    "login.fed.cloudflareaccess.org",
    "update.argotunnel.com",
];

fn serve(stream: impl Read + Write, script: &[Value], seen: &Mutex<Vec<Seen>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(request) = receive(&mut reader)? {
        let index = {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.push(request);
            seen.len() - 1
        };
        let answer = script
            .get(index)
            .cloned()
            .unwrap_or_else(|| serde_json::json!({ "status": 404 }));
        if let Some(seconds) = answer["delay"].as_f64() {
            // A part of the record: the service is slow.
            std::thread::sleep(Duration::from_secs_f64(seconds));
        }
        if answer["close"] == true {
            return Ok(());
        }
        reader.get_mut().write_all(&response(&answer))?;
        reader.get_mut().flush()?;
    }
    Ok(())
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
    }))
}

fn response(answer: &Value) -> Vec<u8> {
    let status = answer["status"].as_u64().unwrap_or(200);
    let mut body = answer["body"].as_str().unwrap_or_default().as_bytes().to_vec();
    let mut head = format!("HTTP/1.1 {status} X\r\n");
    if answer["gzip"] == true {
        let mut packer = GzEncoder::new(Vec::new(), Compression::default());
        packer.write_all(&body).unwrap();
        body = packer.finish().unwrap();
        head.push_str("Content-Encoding: gzip\r\n");
    }
    for (name, value) in answer["headers"].as_object().into_iter().flatten() {
        head.push_str(&format!("{name}: {}\r\n", value.as_str().unwrap_or_default()));
    }
    if status != 204 {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    [head.as_bytes(), b"\r\n", &body].concat()
}
