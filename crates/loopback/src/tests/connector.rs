//! A connector of a few lines: enough to be let in, to answer and to leave.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use adit_rpc::server::{Answer, Exception};
use adit_rpc::{CallError, ConfigurationManager, Exports, Registration, SessionManager, client};
use adit_wire::configuration::{Applied, Update};
use adit_wire::connect::{ConnectRequest, put_accepted, put_refusal, put_response};
use adit_wire::h2::{meta, name, serialize};
use adit_wire::registration::{Auth, Client, Details, Options, Register};
use adit_wire::session::{Close, Open, Opened};
use adit_wire::{ConnectionType, Intake, preamble};
use bytes::{Bytes, BytesMut};
use http::Response;
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::authority::{Authority, HTTP2_NAME, QUIC_NAME};
use crate::credentials::Credentials;
use crate::edge::Edge;
use crate::link::Transport;
use crate::stream::Duplex;
use crate::tasks::Tasks;

/// A connection of the connector; it ends when it is dropped.
pub(super) struct Connected {
    pub(super) control: Registration,
    pub(super) details: Details,
    pub(super) quic: Option<quinn::Connection>,
    tasks: Tasks,
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.tasks.end();
        if let Some(connection) = &self.quic {
            connection.close(0_u32.into(), b"");
        }
    }
}

/// How long a call may take.
pub(super) const LIMIT: Duration = Duration::from_secs(10);

/// What can go wrong for a connector of a few lines.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("{0}")]
    Transport(String),
    #[error(transparent)]
    Refused(CallError),
}

impl Trouble {
    fn new(error: impl std::fmt::Display) -> Self {
        Self::Transport(error.to_string())
    }
}

/// Connects to an address and registers.
pub(super) async fn connect(
    edge: &Edge,
    transport: Transport,
    address: SocketAddr,
    register: Register,
) -> Result<Connected, Trouble> {
    let tls = tls(edge.authority(), transport);
    match transport {
        Transport::Quic => connect_quic(tls, address, register).await,
        Transport::Http2 => connect_http2(tls, address, register).await,
    }
}

/// Returns what a connector with these credentials says.
pub(super) fn hello(credentials: &Credentials, index: u8) -> Register {
    let features = [
        "allow_remote_config",
        "serialized_headers",
        "support_datagram_v2",
        "support_quic_eof",
        "management_logs",
    ];
    Register {
        auth: Auth {
            account: credentials.account_tag.clone(),
            secret: credentials.secret.clone().into(),
        },
        tunnel: credentials.tunnel_id,
        index,
        options: Options {
            client: Client {
                id: Uuid::new_v4(),
                features: features.map(str::to_owned).to_vec(),
                version: "test/1".into(),
                platform: "linux_amd64".into(),
            },
            local_address: None,
            replace_existing: false,
            compression_quality: 0,
            previous_attempts: 0,
        },
    }
}

pub(super) fn tls(authority: &Authority, transport: Transport) -> rustls::ClientConfig {
    let mut provider = default_provider();
    provider.kx_groups = vec![kx_group::X25519MLKEM768, kx_group::SECP256R1];
    let mut roots = rustls::RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("PEM");
    roots.add(certificate).expect("a certificate");
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(provider));
    let builder = builder
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3");
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    if transport == Transport::Quic {
        config.alpn_protocols = vec![b"argotunnel".to_vec()];
    }
    config
}

async fn connect_quic(
    tls: rustls::ClientConfig,
    address: SocketAddr,
    register: Register,
) -> Result<Connected, Trouble> {
    let connection = dial_quic(tls, address).await?;
    let (outgoing, incoming) = connection.open_bi().await.map_err(Trouble::new)?;
    let (control, conversation) = client::begin(incoming, outgoing);
    let tasks = Tasks::default();
    tasks.start(async move { drop(conversation.await) });
    let details = control
        .register(register, LIMIT)
        .await
        .map_err(Trouble::Refused)?;
    let (streams, served) = (connection.clone(), tasks.clone());
    tasks.start(async move {
        while let Ok((outgoing, incoming)) = streams.accept_bi().await {
            served.start(async move { serve_quic(outgoing, incoming).await.expect("a stream") });
        }
    });
    Ok(Connected {
        control,
        details,
        quic: Some(connection),
        tasks,
    })
}

pub(super) async fn dial_quic(
    tls: rustls::ClientConfig,
    address: SocketAddr,
) -> Result<quinn::Connection, Trouble> {
    let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(tls).map_err(Trouble::new)?;
    let local = SocketAddr::new(address.ip(), 0);
    let endpoint = quinn::Endpoint::client(local).map_err(Trouble::new)?;
    let config = quinn::ClientConfig::new(Arc::new(crypto));
    let connecting = endpoint
        .connect_with(config, address, QUIC_NAME)
        .map_err(Trouble::new)?;
    connecting.await.map_err(Trouble::new)
}

/// Answers a stream: `/refused` is refused, everything else is sent back.
async fn serve_quic(
    mut outgoing: quinn::SendStream,
    mut incoming: quinn::RecvStream,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut intake = Intake::new();
    let kind = loop {
        if let Some(kind) = preamble::take(&mut intake)? {
            break kind;
        }
        intake.push(incoming.read_chunk(1000, true).await?.ok_or("a preamble")?.bytes);
    };
    if kind == preamble::Kind::Rpc {
        let exports = Exports {
            sessions: &Calls,
            configuration: &Calls,
        };
        adit_rpc::serve(intake, (incoming, outgoing), exports, LIMIT).await?;
        return Ok(());
    }
    let request = loop {
        if let Some(request) = ConnectRequest::take(&mut intake)? {
            break request;
        }
        intake.push(incoming.read_chunk(1000, true).await?.ok_or("a request")?.bytes);
    };
    let mut head = BytesMut::new();
    match request.kind {
        ConnectionType::Tcp => put_accepted(None, &mut head)?,
        _ if request.destination.ends_with(b"/refused") => {
            put_refusal("there is no rule".to_owned(), false, &mut head)?;
        }
        ConnectionType::Http | ConnectionType::WebSocket | ConnectionType::Unknown(_) => {
            let told = [(&b"X-Destination"[..], &request.destination[..])];
            let pairs = request
                .metadata
                .iter()
                .map(|pair| (&pair.key[..], &pair.value[..]));
            let fields: Vec<_> = told
                .into_iter()
                .chain(pairs)
                .filter(|field| !field.0.contains(&b':'))
                .collect();
            let status = if request.kind == ConnectionType::WebSocket {
                101
            } else {
                200
            };
            put_response(status, fields.iter().copied(), &mut head)?;
        }
    }
    outgoing.write_chunk(head.freeze()).await?;
    outgoing.write_chunk(intake.into_rest()).await?;
    while let Some(chunk) = incoming.read_chunk(usize::MAX, true).await? {
        outgoing.write_chunk(chunk.bytes).await?;
    }
    outgoing.finish()?;
    Ok(())
}

async fn connect_http2(
    tls: rustls::ClientConfig,
    address: SocketAddr,
    register: Register,
) -> Result<Connected, Trouble> {
    let stream = TcpStream::connect(address).await.map_err(Trouble::new)?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(tls));
    let name = HTTP2_NAME.try_into().expect("a name");
    let stream = connector.connect(name, stream).await.map_err(Trouble::new)?;
    let mut connection = h2::server::handshake(stream).await.map_err(Trouble::new)?;
    let first = connection
        .accept()
        .await
        .ok_or(Trouble::new("no control stream"))?;
    let (request, mut respond) = first.map_err(Trouble::new)?;
    assert_eq!(request.headers()[name::UPGRADE], "control-stream");
    let outgoing = respond
        .send_response(Response::new(()), false)
        .map_err(Trouble::new)?;
    let control = Duplex::Http2 {
        outgoing,
        incoming: request.into_body(),
        rest: Bytes::new(),
    };
    let (reader, writer) = tokio::io::split(control);
    let (control, conversation) = client::begin(reader, writer);
    let tasks = Tasks::default();
    let served = tasks.clone();
    tasks.start(async move { drop(conversation.await) });
    tasks.start(async move {
        while let Some(Ok((request, respond))) = connection.accept().await {
            served.start(async move { serve_http2(request, respond).await.expect("a stream") });
        }
    });
    let details = control
        .register(register, LIMIT)
        .await
        .map_err(Trouble::Refused)?;
    Ok(Connected {
        control,
        details,
        quic: None,
        tasks,
    })
}

async fn serve_http2(
    request: http::Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
) -> Result<(), Box<dyn std::error::Error>> {
    let destination = request.uri().to_string();
    let upgrade = request.headers().get(name::UPGRADE).cloned();
    let mut body = request.into_body();
    if upgrade
        .as_ref()
        .is_some_and(|upgrade| upgrade == "update-configuration")
    {
        let mut outgoing = respond.send_response(Response::new(()), false)?;
        let answer = br#"{"lastAppliedVersion":7,"err":null}"#;
        outgoing.send_data(Bytes::from_static(answer), true)?;
        return Ok(());
    }
    if destination.ends_with("/refused") {
        let refusal = Response::builder()
            .status(502)
            .header(name::RESPONSE_META, meta::CONNECTOR);
        respond.send_response(refusal.body(())?, true)?;
        return Ok(());
    }
    let mut fields = vec![(&b"X-Destination"[..], destination.as_bytes())];
    if upgrade.is_some() {
        fields.push((b"Sec-WebSocket-Accept", b"yes"));
    }
    let head = Response::builder()
        .header(name::RESPONSE_META, meta::ORIGIN)
        .header(name::RESPONSE_HEADERS, serialize(fields));
    let outgoing = respond.send_response(head.body(())?, false)?;
    let (reader, mut writer) = tokio::io::split(Duplex::Http2 {
        outgoing,
        incoming: {
            body.flow_control().release_capacity(0)?;
            body
        },
        rest: Bytes::new(),
    });
    tokio::io::copy(&mut reader.take(u64::MAX), &mut writer).await?;
    tokio::io::AsyncWriteExt::shutdown(&mut writer).await?;
    Ok(())
}

/// Takes every configuration that comes.
struct Calls;

impl SessionManager for Calls {
    fn register_udp_session(&self, _: Open) -> Answer<'_, Opened> {
        Box::pin(async { Opened::default() })
    }

    fn unregister_udp_session(&self, _: Close) -> Answer<'_, Result<(), Exception>> {
        Box::pin(async { Ok(()) })
    }
}

impl ConfigurationManager for Calls {
    fn update_configuration(&self, update: Update) -> Answer<'_, Applied> {
        Box::pin(async move {
            Applied {
                version: update.version,
                error: String::new(),
            }
        })
    }
}
