//! A whole tunnel without origins, against the edge on 127.0.0.1, over both transports.

#[path = "adit/tunnel.rs"]
mod tunnel;

use std::sync::Arc;
use std::time::{Duration, Instant};

use adit_edge::{Dns, Outcome, Protocol, Settings, Source};
use adit_exchange::{
    Answer, Body, BodyError, Class, Connected, Headers, Kind, Proxy, Refusal, Reply, Request, Response,
};
use adit_loopback::edge::{self, Edge};
use adit_loopback::faults::{self, Order};
use adit_loopback::request::Request as Visit;
use bytes::Bytes;
use http_body::Frame;
use tokio::sync::Semaphore;
use tunnel::{Adit, settings, within};

const BOTH: [Protocol; 2] = [Protocol::Quic, Protocol::Http2];

#[tokio::test(flavor = "multi_thread")]
async fn four_connections_register_at_distinct_addresses_of_both_data_centres() {
    for protocol in BOTH {
        let edge = edge::new().run().await.expect("the edge starts");
        let (mut adit, _gate) = start(&edge, protocol);
        let registered = within(edge.registered(4)).await;
        let mut indices: Vec<_> = registered.iter().map(|one| one.index).collect();
        indices.sort_unstable();
        assert_eq!(indices, [0, 1, 2, 3]);
        let mut addresses: Vec<_> = registered.iter().map(|one| one.address).collect();
        addresses.sort_unstable();
        addresses.dedup();
        assert_eq!(addresses.len(), 4, "{protocol:?}");
        assert!((0..2).all(|site| registered.iter().filter(|one| one.site == site).count() == 2));
        assert!(within(adit.status.wait_for(|all| all.len() == 4)).await);
        assert_eq!(within(edge.configurations(1)).await[0].1, "{\"ingress\":[]}");
        assert_eq!(edge.violations(), [""; 0]);
        assert_eq!(adit.drain().await, Outcome::Drained);
        assert_eq!(edge.violations(), [""; 0], "{protocol:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_edge_is_found_by_name() {
    let edge = edge::new().run().await.expect("the edge starts");
    let mut settings = settings(&edge, Protocol::Auto { token: false });
    settings.source = Source::Discovered { region: None };
    settings.dns = Dns::Servers(vec![edge.dns().address()]);
    let (adit, _gate) = run(settings);
    within(edge.registered(4)).await;
    assert_eq!(adit.drain().await, Outcome::Drained);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_any_length_pass_both_ways() {
    for protocol in BOTH {
        let edge = edge::new().run().await.expect("the edge starts");
        let (adit, _gate) = start(&edge, protocol);
        within(edge.registered(4)).await;
        for length in [0, 1, 70_000, 9_000_000] {
            let body: Bytes = (0..length).map(|at: u32| (at % 251) as u8).collect();
            let visit = edge.visit(Visit::post("https://h.example.com/echo", body.clone()));
            let mut answer = within(visit).await.expect("there is an answer");
            assert_eq!(answer.status(), 200);
            let echoed = within(answer.bytes()).await.expect("it arrives");
            assert!(echoed == body, "{protocol:?}: {} of {length}", echoed.len());
        }
        assert_eq!(adit.drain().await, Outcome::Drained);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_told_and_a_broken_body_breaks() {
    for protocol in BOTH {
        let edge = edge::new().run().await.expect("the edge starts");
        let (adit, _gate) = start(&edge, protocol);
        within(edge.registered(4)).await;
        let refused = within(edge.visit(Visit::get("https://h/refuse"))).await;
        let refused = refused.expect("a refusal is an answer");
        assert!(refused.head.refusal.is_some(), "{protocol:?}");
        let mut broken = within(edge.visit(Visit::get("https://h/break")))
            .await
            .expect("the head arrives");
        assert_eq!(
            within(broken.chunk()).await.expect("it arrives"),
            Some("half".into())
        );
        assert!(within(broken.chunk()).await.is_err(), "{protocol:?}");
        assert_eq!(adit.drain().await, Outcome::Drained);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_pass_where_the_transport_carries_them() {
    let edge = edge::new().run().await.expect("the edge starts");
    let (adit, _gate) = start(&edge, Protocol::Http2);
    within(edge.registered(4)).await;
    let visit = edge.visit(Visit::get("https://h/trailers"));
    let mut answer = within(visit).await.expect("there is an answer");
    assert_eq!(within(answer.text()).await.expect("it arrives"), "data");
    let trailers = within(answer.trailers()).await.expect("they arrive");
    assert_eq!(trailers.expect("there are some")["grpc-status"], "0");
    assert_eq!(adit.drain().await, Outcome::Drained);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_way_streams_are_acknowledged_and_carried() {
    for protocol in BOTH {
        let edge = edge::new().run().await.expect("the edge starts");
        let (adit, _gate) = start(&edge, protocol);
        within(edge.registered(4)).await;
        for visit in [Visit::tcp("10.0.0.1:22"), Visit::websocket("https://h/ws")] {
            let mut stream = within(edge.connection(0).connect(visit))
                .await
                .expect("it is accepted");
            stream.outgoing.send("ping").await.expect("it is taken");
            let chunk = within(stream.incoming.chunk()).await.expect("it arrives");
            assert_eq!(chunk, Some("ping".into()));
            stream.outgoing.finish().expect("it is open");
            while let Some(rest) = within(stream.incoming.chunk()).await.expect("it ends") {
                assert_eq!(rest, "", "{protocol:?}");
            }
        }
        assert_eq!(adit.drain().await, Outcome::Drained);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pushed_configurations_are_answered() {
    for protocol in BOTH {
        let edge = edge::new()
            .remotely_managed()
            .run()
            .await
            .expect("the edge starts");
        let (adit, _gate) = start(&edge, protocol);
        within(edge.registered(4)).await;
        let pushed = within(edge.push(7, "{}")).await.expect("it is answered");
        assert_eq!((pushed.version, pushed.error.is_none()), (7, true));
        let pushed = within(edge.push(8, "{\"broken\":1}"))
            .await
            .expect("it is answered");
        assert!(pushed.error.is_some());
        assert_eq!(adit.drain().await, Outcome::Drained);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_finishes_what_is_in_flight_and_not_a_moment_later() {
    for protocol in BOTH {
        let edge = edge::new().keeps_drained().run().await.expect("the edge starts");
        let (adit, gate) = start(&edge, protocol);
        within(edge.registered(4)).await;
        let visitor = edge.visitor();
        let slow = tokio::task::JoinSet::from_iter([async move {
            let mut answer = visitor
                .visit(Visit::get("https://h/slow"))
                .await
                .expect("an answer");
            answer.text().await.expect("all of it")
        }]);
        within(gate.asked.acquire()).await.expect("it is open").forget();
        adit.leave.cancel();
        within(edge.registered(0)).await;
        let begun = Instant::now();
        gate.open.add_permits(1);
        assert_eq!(within(slow.join_all()).await, ["slow"]);
        assert_eq!(adit.drain().await, Outcome::Drained);
        assert!(
            begun.elapsed() < Duration::from_secs(3),
            "{protocol:?}: {:?}",
            begun.elapsed()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_who_leaves_takes_the_request_along() {
    for protocol in BOTH {
        let edge = edge::new().run().await.expect("the edge starts");
        let (adit, gate) = start(&edge, protocol);
        within(edge.registered(4)).await;
        let visitor = edge.visitor();
        let mut visits = tokio::task::JoinSet::new();
        visits.spawn(async move { visitor.visit(Visit::get("https://h/slow")).await });
        within(gate.asked.acquire()).await.expect("it is open").forget();
        visits.shutdown().await;
        within(gate.left.acquire()).await.expect("it is open").forget();
        assert_eq!(adit.drain().await, Outcome::Drained);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_comes_back() {
    for protocol in BOTH {
        let edge = edge::new().run().await.expect("the edge starts");
        let (adit, _gate) = start(&edge, protocol);
        within(edge.registered(4)).await;
        edge.connection(2).close();
        let back = edge.connection(2).returns_within(Duration::from_secs(10)).await;
        assert!(back.is_ok(), "{protocol:?}: {back:?}");
        assert_eq!(adit.drain().await, Outcome::Drained);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definite_refusal_ends_it_with_the_edges_words() {
    for protocol in BOTH {
        let edge = edge::new().run().await.expect("the edge starts");
        edge.order(Order::always(faults::Answer::Refused(
            "tunnel not found".to_owned(),
        )));
        let (adit, _gate) = start(&edge, protocol);
        let Outcome::Rejected { cause } = within(adit.running).await.expect("it does not panic") else {
            panic!("it was rejected");
        };
        assert!(cause.contains("tunnel not found"), "{cause}");
    }
}

/// Starts a tunnel over this transport with the origin below.
fn start(edge: &Edge, protocol: Protocol) -> (Adit, Gate) {
    run(settings(edge, protocol))
}

fn run(settings: Settings) -> (Adit, Gate) {
    let gate = Gate {
        open: Arc::new(Semaphore::new(0)),
        asked: Arc::new(Semaphore::new(0)),
        left: Arc::new(Semaphore::new(0)),
    };
    (Adit::run(settings, Arc::new(Origin(gate.clone()))), gate)
}

/// Holds requests for `/slow` back.
#[derive(Clone)]
struct Gate {
    /// A permit lets one of them go on.
    open: Arc<Semaphore>,
    /// Has a permit for each that has come.
    asked: Arc<Semaphore>,
    /// Has a permit for each that is over, one way or the other.
    left: Arc<Semaphore>,
}

/// Notes that a request is over.
struct Leaving<'a>(&'a Semaphore);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}

struct Origin(Gate);

impl Proxy for Origin {
    fn call(&self, request: Request) -> Answer<'_> {
        Box::pin(async move {
            if request.kind != Kind::Http {
                let (near, far) = tokio::io::duplex(1024);
                let io: Box<dyn adit_exchange::Io> = Box::new(Echo(near, far));
                return Ok(Reply::Connected(Connected {
                    headers: Headers::new(),
                    body: request.body,
                    io,
                }));
            }
            let path = String::from_utf8_lossy(&request.destination).into_owned();
            let body = match path.rsplit('/').next().unwrap_or_default() {
                "echo" => request.body,
                "refuse" => return Err(Refusal::new(Class::Refused, "nobody there")),
                "break" => frames([Ok(Frame::data("half".into())), Err(BodyError::new("broken"))]),
                "trailers" => {
                    let mut trailers = http::HeaderMap::new();
                    trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
                    frames([Ok(Frame::data("data".into())), Ok(Frame::trailers(trailers))])
                }
                "slow" => {
                    let _leaving = Leaving(&self.0.left);
                    self.0.asked.add_permits(1);
                    self.0.open.acquire().await.expect("it is open").forget();
                    Body::full("slow")
                }
                _ => Body::full("hello"),
            };
            Ok(Reply::Response(Response {
                status: 200,
                wording: None,
                headers: [("Content-Type", "text/plain")].into_iter().collect(),
                body,
            }))
        })
    }
}

/// A stream that says what it hears.
struct Echo(tokio::io::DuplexStream, tokio::io::DuplexStream);

impl tokio::io::AsyncRead for Echo {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl tokio::io::AsyncWrite for Echo {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        data: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::pin::Pin::new(&mut self.1).poll_write(cx, data)
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.1).poll_flush(cx)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.1).poll_shutdown(cx)
    }
}

/// Frames that are there already, one after the other.
fn frames<const N: usize>(frames: [Result<Frame<Bytes>, BodyError>; N]) -> Body {
    struct Frames<I>(I);
    impl<I: Iterator<Item = Result<Frame<Bytes>, BodyError>> + Unpin> http_body::Body for Frames<I> {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            std::task::Poll::Ready(self.0.next())
        }
    }
    Body::stream(Frames(frames.into_iter()))
}
