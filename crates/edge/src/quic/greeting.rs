//! Compares the first bytes of a connection with those recorded from upstream.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use adit_exchange::Transport;
use adit_vectors::{File, Verdict, same};
use quinn::{ClientConfig, Endpoint, TokioRuntime};
use quinn_proto::ConnectError;
use quinn_proto::crypto::{self, Session};
use quinn_proto::transport_parameters::TransportParameters;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};

use super::dial::Dialer;
use super::parameters::take_varint;
use crate::connection::Whereabouts;
use crate::settings;
use crate::tls::{Purpose, Roots, Tls};

#[test]
fn client_hellos_are_those_recorded() {
    let Some(file) = File::open("edge-client-hello") else {
        return;
    };
    let mut report = file.report();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let _inside = runtime.enter();
    for case in file.cases("vectors") {
        let tls = tls(case["post_quantum"] == "strict");
        let purpose = match case["server_name"].as_str() {
            Some("probe.cftunnel.com") => Purpose::Probe,
            _ => Purpose::Tunnel,
        };
        let hello = if case["transport"] == "quic" {
            quic_hello(&tls, purpose)
        } else {
            http2_hello(&tls, purpose)
        };
        report.give(&case["name"], same(&hello.describe(), &recorded_hello(case)));
    }
    report.finish();
}

#[test]
fn transport_parameters_are_those_recorded() {
    let Some(file) = File::open("edge-transport-parameters") else {
        return;
    };
    let mut report = file.report();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let _inside = runtime.enter();
    for case in file.cases("vectors") {
        let name = case["name"].as_str().unwrap_or_default();
        let purpose = if name.contains("probe") {
            Purpose::Probe
        } else {
            Purpose::Tunnel
        };
        let ip = if name.contains("ipv6") {
            "[::1]:0"
        } else {
            "127.0.0.1:0"
        };
        let hello = quic_hello(&tls(false), purpose);
        let first = runtime.block_on(first_payload(purpose, ip));
        report.give(&case["name"], judge(&hello.parameters(), first, case));
    }
    report.finish();
}

/// Compares parameters; credit for streams and the size of the first packet may differ by rule.
fn judge(parameters: &BTreeMap<u64, Vec<u8>>, first: usize, case: &Value) -> Verdict {
    let recorded = &case["params"];
    let number = |id: u64| parameters.get(&id).and_then(|value| take_varint(&mut &value[..]));
    let ours = json!({
        "max_idle_timeout_ms": number(0x01),
        "max_udp_payload_size": number(0x03),
        "initial_max_data": number(0x04),
        "initial_max_stream_data_bidi_local": number(0x05),
        "initial_max_stream_data_bidi_remote": number(0x06),
        "initial_max_stream_data_uni": number(0x07),
        "ack_delay_exponent": number(0x0a).map_or(json!("absent (default 3)"), Value::from),
        "max_ack_delay_ms": number(0x0b),
        "disable_active_migration": parameters.contains_key(&0x0c),
        "active_connection_id_limit": number(0x0e),
        "initial_source_connection_id_len": parameters.get(&0x0f).map(Vec::len),
        "max_datagram_frame_size": number(0x20),
    });
    let mut wanted = recorded.clone();
    let mut differs = None;
    for (name, id) in [
        ("initial_max_streams_bidi", 0x08),
        ("initial_max_streams_uni", 0x09),
    ] {
        let wanted = wanted.as_object_mut().and_then(|all| all.remove(name));
        let credit = number(id).unwrap_or(0);
        if wanted.as_ref().and_then(Value::as_u64) == Some(credit) {
            continue;
        }
        if credit < 100 {
            return Verdict::Wrong(format!("{name}: {credit}"));
        }
        differs = Some("stream-credit-is-replenished");
    }
    if case["udp_payload_first_initial"] != first {
        if first > 1280 - 28 {
            return Verdict::Wrong(format!("first payload {first}"));
        }
        differs = Some("first-packet-fits-1280");
    }
    let verdict = same(&ours, &wanted);
    match differs {
        Some(rule) if verdict == Verdict::Same => Verdict::Differs(rule),
        _ => verdict,
    }
}

fn recorded_hello(case: &Value) -> Value {
    let mut recorded = case.clone();
    if let Some(fields) = recorded.as_object_mut() {
        for about in ["name", "note", "transport", "post_quantum"] {
            fields.remove(about);
        }
    }
    recorded
}

/// A ClientHello, taken apart as far as it is compared.
struct Hello(BTreeMap<u16, Vec<u8>>);

impl Hello {
    /// Takes a handshake message apart (RFC 8446 §4.1.2).
    fn parse(message: &[u8]) -> Self {
        let mut rest = &message[4 + 2 + 32..];
        let session = usize::from(rest[0]);
        rest = &rest[1 + session..];
        rest = &rest[2 + pair(rest)..];
        let compression = usize::from(rest[0]);
        rest = &rest[1 + compression + 2..];
        let mut extensions = BTreeMap::new();
        while !rest.is_empty() {
            let length = pair(&rest[2..]);
            let id = u16::try_from(pair(rest)).expect("a pair of bytes fits");
            extensions.insert(id, rest[4..4 + length].to_vec());
            rest = &rest[4 + length..];
        }
        Self(extensions)
    }

    fn describe(&self) -> Value {
        let groups = self.list(10, 2);
        let mut shares = Vec::new();
        let mut rest = self.0.get(&51).map_or(&[][..], |share| &share[2..]);
        while !rest.is_empty() {
            shares.push(pair(rest));
            rest = &rest[4 + pair(&rest[2..])..];
        }
        let name = self
            .0
            .get(&0)
            .map(|name| String::from_utf8_lossy(&name[5..]).into_owned());
        let alpn = self
            .0
            .get(&16)
            .map(|alpn| String::from_utf8_lossy(&alpn[3..]).into_owned());
        json!({
            "server_name": name,
            "alpn": alpn.into_iter().collect::<Vec<_>>(),
            "supported_groups": groups,
            "key_share_groups": shares,
            "supported_versions": self.list(43, 1),
            "session_ticket_extension": self.0.contains_key(&35),
        })
    }

    fn list(&self, extension: u16, skip: usize) -> Vec<usize> {
        let content = self.0.get(&extension).map_or(&[][..], |list| &list[skip..]);
        content.chunks(2).map(pair).collect()
    }

    fn parameters(&self) -> BTreeMap<u64, Vec<u8>> {
        let mut rest = &self.0[&57][..];
        let mut parameters = BTreeMap::new();
        while !rest.is_empty() {
            let id = take_varint(&mut rest).expect("an id is complete");
            let length = take_varint(&mut rest).expect("a length is complete");
            let (value, behind) = rest.split_at(usize::try_from(length).expect("it is short"));
            parameters.insert(id, value.to_vec());
            rest = behind;
        }
        parameters
    }
}

fn pair(bytes: &[u8]) -> usize {
    usize::from(u16::from_be_bytes([bytes[0], bytes[1]]))
}

fn tls(post_quantum: bool) -> Tls {
    Tls::new(&Roots::Only(Roots::embedded()), post_quantum).expect("the roots are read")
}

fn http2_hello(tls: &Tls, purpose: Purpose) -> Hello {
    let name = ServerName::try_from(purpose.server_name(Transport::Http2)).expect("the name is legal");
    let mut connection =
        rustls::ClientConnection::new(Arc::clone(&tls.http2), name).expect("a connection starts");
    let mut record = Vec::new();
    connection.write_tls(&mut record).expect("memory takes it");
    Hello::parse(&record[5..])
}

fn quic_hello(tls: &Tls, purpose: Purpose) -> Hello {
    let dialer = Dialer::new(tls, purpose, &settings::Quic::default(), None).expect("the dialer is built");
    let address = SocketAddr::from(([127, 0, 0, 1], 9));
    let spy = Arc::new(Spy {
        inner: dialer.crypto(Whereabouts { index: 0, address }, &Arc::default()),
        hello: Mutex::default(),
    });
    let mut config = ClientConfig::new(Arc::clone(&spy) as Arc<dyn crypto::ClientConfig>);
    config.transport_config(Arc::new(dialer.transport(address)));
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    let endpoint = Endpoint::new(dialer.endpoint(), None, socket, Arc::new(TokioRuntime));
    let endpoint = endpoint.expect("the socket is usable");
    let _connecting = endpoint
        .connect_with(config, address, purpose.server_name(Transport::Quic))
        .expect("a connection starts");
    let hello = spy.hello.lock().expect("nobody panicked");
    Hello::parse(&hello)
}

async fn first_payload(purpose: Purpose, bind: &str) -> usize {
    let edge = tokio::net::UdpSocket::bind(bind).await.expect("a port is free");
    let address = edge.local_addr().expect("it is bound");
    let dialer =
        Dialer::new(&tls(false), purpose, &settings::Quic::default(), None).expect("the dialer is built");
    let mut datagram = [0; 2048];
    tokio::select! {
        size = edge.recv(&mut datagram) => size.expect("a datagram arrives"),
        failure = dialer.dial(0, address) => panic!("{:?}", failure.map(|_| ())),
    }
}

/// Writes down the first flight of the session that it starts.
struct Spy {
    inner: Arc<dyn crypto::ClientConfig>,
    hello: Mutex<Vec<u8>>,
}

impl Spy {
    fn write_down(&self, session: &mut dyn Session) {
        let mut hello = self.hello.lock().expect("nobody panicked");
        let keys = session.write_handshake(&mut hello);
        assert!(keys.is_none(), "the first flight has no keys");
    }
}

impl crypto::ClientConfig for Spy {
    fn start_session(
        self: Arc<Self>,
        version: u32,
        server_name: &str,
        parameters: &TransportParameters,
    ) -> Result<Box<dyn Session>, ConnectError> {
        let start = || Arc::clone(&self.inner).start_session(version, server_name, parameters);
        self.write_down(&mut *start()?);
        start()
    }
}
