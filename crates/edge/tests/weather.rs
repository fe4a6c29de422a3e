//! A whole tunnel over a path that loses and delays packets, over both transports.

use std::sync::Arc;
use std::time::{Duration, Instant};

use adit_edge::{
    Credentials, Identity, LocalConfiguration, Metrics, Outcome, Parts, Protocol, Roots, Settings, Source,
    Tunnel,
};
use adit_exchange::{Answer, Body, Headers, Proxy, Reply, Request, Response};
use adit_loopback::edge::{self, Edge};
use adit_loopback::relay::Weather;
use adit_loopback::request::Request as Visit;
use adit_rpc::ConfigurationManager;
use adit_rpc::server::Answer as RpcAnswer;
use adit_wire::configuration::{Applied, Update};
use bytes::Bytes;
use prometheus::Registry;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transfers_complete_whatever_is_lost_on_the_way() {
    for loss in [0.01, 0.03] {
        let quic = goodput(Protocol::Quic, loss).await;
        let http2 = goodput(Protocol::Http2, loss).await;
        println!("loss {loss}: QUIC {quic:?}, HTTP/2 {http2:?} KiB/s (down, up)");
    }
}

/// Returns how many KiB pass in a second, from an origin and to it.
async fn goodput(protocol: Protocol, loss: f64) -> (u128, u128) {
    let weather = Weather::losing(7, loss).delayed(DELAY);
    let edge = edge::new().weather(weather).run().await.expect("the edge starts");
    let leave = CancellationToken::new();
    let run = tokio::task::JoinSet::from_iter([tunnel(&edge, protocol).run(leave.clone())]);
    edge.registered(4).await;

    let begun = Instant::now();
    let visit = edge.visit(Visit::get("https://h/down"));
    let mut answer = within(visit).await.expect("there is an answer");
    let down = within(answer.bytes()).await.expect("it arrives");
    assert_eq!(down.len(), LENGTH);
    let down = per_second(begun);

    let begun = Instant::now();
    let visit = edge.visit(Visit::post("https://h/up", vec![7; LENGTH]));
    let mut answer = within(visit).await.expect("there is an answer");
    assert_eq!(
        within(answer.text()).await.expect("it arrives"),
        LENGTH.to_string()
    );
    let up = per_second(begun);

    leave.cancel();
    assert_eq!(within(run.join_all()).await, [Outcome::Drained]);
    (down, up)
}

fn per_second(begun: Instant) -> u128 {
    LENGTH as u128 * 1000 / 1024 / begun.elapsed().as_millis().max(1)
}

fn tunnel(edge: &Edge, protocol: Protocol) -> Tunnel {
    let credentials = edge.credentials();
    let credentials = Credentials {
        account: credentials.account_tag,
        secret: credentials.secret.into(),
        tunnel: credentials.tunnel_id,
    };
    let identity = Identity {
        connector: Uuid::new_v4(),
        version: "adit/test".to_owned(),
        arch: "linux_amd64".to_owned(),
    };
    let mut settings = Settings::new(credentials, identity);
    settings.source = Source::Fixed(edge.addresses().iter().map(ToString::to_string).collect());
    settings.roots = Roots::from_pem(edge.authority().pem().as_bytes()).expect("it is a root");
    settings.protocol = protocol;
    let local: LocalConfiguration = Arc::new(|| Ok("{}".into()));
    let tunnel = Tunnel::new(Parts {
        settings,
        proxy: Arc::new(Origin),
        configuration: Arc::new(Rules),
        local_configuration: local,
        sessions: None,
        metrics: Metrics::new(&Registry::new()).expect("the registry is new"),
    });
    tunnel.expect("the settings are usable")
}

/// Sends much on `/down` and counts what it gets on any other path.
struct Origin;

impl Proxy for Origin {
    fn call(&self, mut request: Request) -> Answer<'_> {
        Box::pin(async move {
            let body = if request.destination.ends_with(b"/down") {
                Body::full(Bytes::from(vec![7; LENGTH]))
            } else {
                let mut length = 0;
                while let Some(Ok(data)) = request.body.data().await {
                    length += data.len();
                }
                Body::full(length.to_string())
            };
            Ok(Reply::Response(Response {
                status: 200,
                headers: Headers::new(),
                body,
            }))
        })
    }
}

struct Rules;

impl ConfigurationManager for Rules {
    fn update_configuration(&self, update: Update) -> RpcAnswer<'_, Applied> {
        Box::pin(std::future::ready(Applied {
            version: update.version,
            error: String::new(),
        }))
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), future)
        .await
        .expect("it happens within a minute")
}

const LENGTH: usize = 1 << 20;
const DELAY: Duration = Duration::from_millis(10);
