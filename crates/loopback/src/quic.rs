//! The edge's side of the QUIC transport: accepts connections and what connectors open on them.

use std::sync::Arc;

use quinn::crypto::rustls::{HandshakeData, QuicServerConfig};
use quinn::{ConnectionError, Endpoint, ServerConfig, TransportConfig, VarInt};

use crate::authority::PROBE_NAME;
use crate::control;
use crate::error::Error;
use crate::faults::Greeting;
use crate::link::{Carrier, Link, Place, Transport};
use crate::site::{Ground, Spot};
use crate::stream::Duplex;

/// Milliseconds that the edge waits for a connector that says nothing. The connector's own limit is
/// lower.
const IDLE: u32 = 30_000;
/// Streams that a connector may open: one for control, a few for calls.
const STREAMS: u32 = 64;
/// Streams that no connector should open; they are let in to be complained about.
const ONE_WAY_STREAMS: u32 = 4;
/// What may be on its way on one stream and on one connection: as much as a connector allows.
const STREAM_WINDOW: u32 = 6 * 1024 * 1024;
const WINDOW: u32 = 30 * 1024 * 1024;
/// Datagrams that wait to be read.
const DATAGRAMS: usize = 4 * 1024 * 1024;

/// Returns the settings of the edge's side.
pub(crate) fn config(tls: rustls::ServerConfig) -> Result<ServerConfig, Error> {
    let crypto = QuicServerConfig::try_from(tls);
    let crypto = crypto.map_err(|error| Error::Tls(rustls::Error::General(error.to_string())))?;
    let mut transport = TransportConfig::default();
    transport.max_idle_timeout(Some(VarInt::from_u32(IDLE).into()));
    transport.max_concurrent_bidi_streams(STREAMS.into());
    transport.max_concurrent_uni_streams(ONE_WAY_STREAMS.into());
    transport.stream_receive_window(STREAM_WINDOW.into());
    transport.receive_window(WINDOW.into());
    transport.send_window(u64::from(WINDOW));
    transport.datagram_receive_buffer_size(Some(DATAGRAMS));
    transport.datagram_send_buffer_size(DATAGRAMS);
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(Arc::new(transport));
    Ok(config)
}

/// Accepts connections for as long as the endpoint lives.
pub(crate) async fn accept(spot: Arc<Spot>, endpoint: Endpoint) {
    while let Some(incoming) = endpoint.accept().await {
        let place = spot.place(incoming.remote_address());
        spot.ground.roster.arrived(Transport::Quic, place);
        let spot = Arc::clone(&spot);
        let tasks = spot.ground.tasks.clone();
        let greeting = spot.greeting(Transport::Quic);
        tasks.start(async move {
            if greeting == Greeting::Hangs {
                // To drop it would be an answer.
                let _kept = incoming;
                return std::future::pending().await;
            }
            match incoming.await {
                Ok(connection) if greeting == Greeting::Mute => drop(connection.closed().await),
                Ok(connection) => serve(&spot, place, connection).await,
                Err(error) => tracing::debug!(%error, peer = %place.peer, "no QUIC connection came of it"),
            }
        });
    }
}

async fn serve(spot: &Spot, place: Place, connection: quinn::Connection) {
    let ground = &spot.ground;
    if asked_for(&connection).as_deref() == Some(PROBE_NAME) {
        let goodbye = connection.closed().await;
        check_goodbye(ground, place, &goodbye, b"precheck complete");
        return;
    }
    let carrier = Carrier::Quic {
        connection: connection.clone(),
        gate: Arc::clone(spot.udp_gate()),
    };
    let serial = ground.roster.serial();
    let link = Link::new(serial, place, carrier, ground.violations.clone());
    ground.roster.add(&link);
    if connection.max_datagram_size().is_none() {
        link.violated("a connector takes datagrams");
    }
    let goodbye = tokio::select! {
        goodbye = connection.closed() => goodbye,
        error = accept_streams(ground, &link, &connection) => error,
        error = refuse_one_way_streams(&link, &connection) => error,
    };
    ground.roster.remove(serial);
    tracing::debug!(%goodbye, peer = %place.peer, "a QUIC connection has ended");
    check_goodbye(ground, place, &goodbye, b"");
}

fn asked_for(connection: &quinn::Connection) -> Option<String> {
    let data = connection.handshake_data()?.downcast::<HandshakeData>().ok()?;
    data.server_name
}

/// Serves the control stream, which is the first, and the calls on those that follow.
async fn accept_streams(
    ground: &Ground,
    link: &Arc<Link>,
    connection: &quinn::Connection,
) -> ConnectionError {
    let mut is_first = true;
    loop {
        let (outgoing, incoming) = match connection.accept_bi().await {
            Ok(stream) => stream,
            Err(error) => return error,
        };
        let stream = Duplex::Quic(outgoing, incoming);
        let (ground, link) = (ground.clone(), Arc::clone(link));
        let tasks = ground.tasks.clone();
        if std::mem::take(&mut is_first) {
            tasks.start(async move { control::serve(&ground, &link, stream).await });
        } else {
            tasks.start(async move { control::serve_calls(&link, stream).await });
        }
    }
}

/// Connectors open no streams of one direction.
async fn refuse_one_way_streams(link: &Link, connection: &quinn::Connection) -> ConnectionError {
    match connection.accept_uni().await {
        Ok(_) => {
            let rule = "a connector opens no streams of one direction";
            link.violated(rule);
            link.close(1, rule);
            connection.closed().await
        }
        Err(error) => error,
    }
}

/// A connector that closes does so with code 0 and a reason that is fixed.
fn check_goodbye(ground: &Ground, place: Place, goodbye: &ConnectionError, reason: &[u8]) {
    let ConnectionError::ApplicationClosed(close) = goodbye else {
        return;
    };
    if close.error_code != VarInt::from_u32(0) || close.reason != reason {
        ground
            .violations
            .note(format!("{} closed its connection with {close}", place.peer));
    }
}
