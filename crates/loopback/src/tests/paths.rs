//! The visitor's door, and relays with weather.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::BOTH;
use super::connector::{connect, hello};
use crate::edge;
use crate::link::Transport;
use crate::origin;
use crate::relay::Weather;
use crate::request::Request;

/// Sends these bytes to the visitor's door and returns everything that comes back.
async fn knock(front: std::net::SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(front).await.expect("a door");
    stream.write_all(bytes).await.expect("room");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer
}

#[tokio::test]
async fn a_visitor_comes_through_the_door() {
    for transport in BOTH {
        let edge = edge::new().run().await.expect("an edge");
        let register = hello(&edge.credentials(), 0);
        let _connected = connect(&edge, transport, edge.addresses()[0], register)
            .await
            .expect("let in");
        let request = "POST /a?b HTTP/1.1\r\nHost: app.example.localhost:1\r\nConnection: close\r\n\
                       Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
        let answer = knock(edge.front(), request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(
            answer.contains("x-destination: http://app.example/a?b\r\n"),
            "{answer}"
        );
        assert!(answer.contains("5\r\nhello\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn a_websocket_comes_through_the_door() {
    for transport in BOTH {
        let edge = edge::new().run().await.expect("an edge");
        let register = hello(&edge.credentials(), 0);
        let _connected = connect(&edge, transport, edge.addresses()[0], register)
            .await
            .expect("let in");
        let mut stream = TcpStream::connect(edge.front()).await.expect("a door");
        let request = "GET / HTTP/1.1\r\nHost: app.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Key: x\r\n\r\n";
        stream.write_all(request.as_bytes()).await.expect("room");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("a head"));
        }
        assert!(
            head.starts_with(b"HTTP/1.1 101"),
            "{}",
            String::from_utf8_lossy(&head)
        );
        stream.write_all(b"ping").await.expect("room");
        let mut pong = [0; 4];
        stream.read_exact(&mut pong).await.expect("an echo");
        assert_eq!(&pong, b"ping");
    }
}

#[tokio::test]
async fn without_a_connector_the_door_says_so() {
    let edge = edge::new().run().await.expect("an edge");
    let request = b"GET / HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\n\r\n";
    let answer = knock(edge.front(), request).await;
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    assert!(answer.contains("no connector is connected"), "{answer}");
}

#[tokio::test]
async fn bytes_survive_bad_weather() {
    for transport in BOTH {
        let weather = Weather {
            duplicate: 0.01,
            reorder: 0.01,
            ..Weather::losing(42, 0.01).delayed(Duration::from_millis(5))
        };
        let edge = edge::new().weather(weather).run().await.expect("an edge");
        let register = hello(&edge.credentials(), 0);
        let _connected = connect(&edge, transport, edge.addresses()[0], register)
            .await
            .expect("let in");
        let sent = origin::pattern(0, 300_000);
        let begun = Instant::now();
        let answer = edge
            .connection(0)
            .send(Request::post("https://app.example/", sent))
            .await;
        let (length, sum) = answer.expect("an answer").sha256().await.expect("a body");
        assert_eq!((length, sum), (300_000, origin::sha256(300_000)), "{transport}");
        assert!(
            begun.elapsed() > Duration::from_millis(20),
            "{transport}: the path has no delay"
        );
    }
}

#[tokio::test]
async fn a_visitor_who_leaves_resets_the_stream() {
    let edge = edge::new().run().await.expect("an edge");
    let register = hello(&edge.credentials(), 0);
    let connected = connect(&edge, Transport::Quic, edge.addresses()[0], register)
        .await
        .expect("let in");
    let mut stream = edge
        .connection(0)
        .connect(Request::tcp("10.0.0.1:22"))
        .await
        .expect("a stream");
    stream
        .outgoing
        .send(Bytes::from_static(b"x"))
        .await
        .expect("room");
    stream.incoming.chunk().await.expect("bytes");
    drop(stream);
    connected.control.unregister(super::LIMIT).await.expect("left");
    edge.empty().await;
}
