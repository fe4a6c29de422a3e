//! The edge's side of the HTTP/2 transport: accepts TCP connections and is the client on them.

mod closable;

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use h2::client::SendRequest;
use http::HeaderValue;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use adit_wire::h2::name;

use closable::Closable;
pub(crate) use closable::Closing;

use crate::authority::PROBE_NAME;
use crate::control;
use crate::faults::Greeting;
use crate::gate::{GatedTcp, TcpGate};
use crate::link::{Carrier, Link, Place, Transport};
use crate::ports;
use crate::site::{Ground, Spot};
use crate::stream::Duplex;

/// What may be on its way on one stream and on one connection.
const STREAM_WINDOW: u32 = 6 * 1024 * 1024;
const WINDOW: u32 = 30 * 1024 * 1024;
/// Header fields of an answer: as many as a connector accepts in a request.
const FIELDS: u32 = 1024 * 1024;
/// Streams that may be opened before the connector has said how many it allows.
const EARLY_STREAMS: usize = 1000;

/// Accepts connections until it is stopped.
pub(crate) async fn accept(spot: Arc<Spot>, listener: TcpListener, tls: rustls::ServerConfig) {
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(ports::PAUSE).await;
            continue;
        };
        let place = spot.place(peer);
        spot.ground.roster.arrived(Transport::Http2, place);
        let gate = spot.tcp_gate();
        let greeting = spot.greeting(Transport::Http2);
        let ground = spot.ground.clone();
        let acceptor = acceptor.clone();
        let tasks = ground.tasks.clone();
        tasks.start(async move {
            let ended = match greeting {
                Greeting::Hangs => forget(stream).await,
                Greeting::Mute => match acceptor.accept(stream).await {
                    Ok(stream) => forget(stream).await,
                    Err(error) => Err(error),
                },
                Greeting::Right | Greeting::WrongCertificate | Greeting::Rejects => {
                    greet(&ground, place, (stream, gate), acceptor).await
                }
            };
            tracing::debug!(?ended, %peer, "a TCP connection has ended");
        });
    }
}

async fn greet(
    ground: &Ground,
    place: Place,
    (stream, gate): (TcpStream, Arc<TcpGate>),
    acceptor: TlsAcceptor,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let stream = GatedTcp::new(Arc::clone(&gate), stream);
    let stream = acceptor.accept(stream).await?;
    if stream.get_ref().1.server_name() == Some(PROBE_NAME) {
        return watch_probe(ground, place, stream).await;
    }
    serve(ground, place, stream, gate).await.map_err(io::Error::other)
}

/// Takes what comes and says nothing.
async fn forget(mut stream: impl AsyncRead + Unpin) -> io::Result<()> {
    tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    Ok(())
}

/// A connectivity check says nothing beyond the handshake.
async fn watch_probe(ground: &Ground, place: Place, mut stream: TlsStream<GatedTcp>) -> io::Result<()> {
    if stream.read(&mut [0; 1]).await? > 0 {
        let rule = format!("{} sent bytes on a connectivity check", place.peer);
        ground.violations.note(rule);
    }
    Ok(())
}

async fn serve(
    ground: &Ground,
    place: Place,
    stream: TlsStream<GatedTcp>,
    gate: Arc<TcpGate>,
) -> Result<(), h2::Error> {
    let mut builder = h2::client::Builder::new();
    builder
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(WINDOW);
    builder
        .max_header_list_size(FIELDS)
        .initial_max_send_streams(EARLY_STREAMS);
    builder.enable_push(false);
    let closing = Arc::<Closing>::default();
    let stream = Closable::new(Arc::clone(&closing), stream);
    let (requests, connection) = builder.handshake::<_, Bytes>(stream).await?;
    let carrier = Carrier::Http2 {
        requests: requests.clone(),
        gate,
        closing,
    };
    let serial = ground.roster.serial();
    let link = Link::new(serial, place, carrier, ground.violations.clone());
    ground.roster.add(&link);
    let control = Arc::clone(&link);
    let control_ground = ground.clone();
    ground
        .tasks
        .start(async move { open_control(&control_ground, &control, requests).await });
    let ended = connection.await;
    ground.roster.remove(serial);
    ended
}

/// Opens the control stream and serves the calls that come on it.
async fn open_control(ground: &Ground, link: &Arc<Link>, requests: SendRequest<Bytes>) {
    match start_control(requests).await {
        Ok((status, stream)) if status == http::StatusCode::OK => control::serve(ground, link, stream).await,
        Ok((status, _)) => {
            link.violated(&format!("the control stream is answered with {status}"));
            link.close(0, "");
        }
        Err(error) => {
            tracing::debug!(%error, peer = %link.place.peer, "there is no control stream");
            link.close(0, "");
        }
    }
}

async fn start_control(requests: SendRequest<Bytes>) -> Result<(http::StatusCode, Duplex), h2::Error> {
    let mut head = http::Request::new(());
    *head.uri_mut() = http::Uri::from_static(CONTROL);
    *head.version_mut() = http::Version::HTTP_2;
    head.headers_mut()
        .insert(name::UPGRADE, HeaderValue::from_static("control-stream"));
    let mut requests = requests.ready().await?;
    let (response, outgoing) = requests.send_request(head, false)?;
    let (parts, incoming) = response.await?.into_parts();
    let stream = Duplex::Http2 {
        outgoing,
        incoming,
        rest: Bytes::new(),
    };
    Ok((parts.status, stream))
}

/// HTTP/2 wants an address even where there is nothing to address.
const CONTROL: &str = "https://h2.cftunnel.com/";
