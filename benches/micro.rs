//! Micro-benchmarks of what every request pays for: matching, codecs, copying.

use std::hint::black_box;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use adit_config::{HostPattern, OriginRequest, Rule, Service};
use adit_exchange::outlet::OutletError;
use adit_exchange::splice::splice;
use adit_exchange::{Body, Outlet};
use adit_ingress::Router;
use adit_wire::connect::{HEADER, STATUS};
use adit_wire::headers::HttpHead;
use adit_wire::{ConnectRequest, ConnectResponse, ConnectionType, Intake, Metadata, h2, preamble};
use bytes::{Bytes, BytesMut};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

criterion_group! {
    name = micro;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = router, connect, blob, copying
}
criterion_main!(micro);

/// The first rule that matches, among few and among many.
fn router(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("router");
    for count in [1, 100, 10_000] {
        let router = Router::new(&rules(count));
        let last = format!("host-{}.example.com", count - 1);
        let wildcard = format!("any.area-{}.example.com", count - 1);
        for (name, host) in [
            ("exact", &*last),
            ("wildcard", &*wildcard),
            ("miss", "nowhere.example.net"),
        ] {
            group.bench_function(BenchmarkId::new(name, count), |bencher| {
                bencher.iter(|| router.find(black_box(host.as_bytes()), black_box(b"/")));
            });
        }
    }
    group.finish();
}

/// As many exact hosts, as many wildcards, and the rule that matches everything.
fn rules(count: usize) -> Vec<Rule> {
    let exact = (0..count).map(|number| rule(format!("host-{number}.example.com")));
    let wildcards = (0..count).map(|number| rule(format!("*.area-{number}.example.com")));
    exact.chain(wildcards).chain([rule(String::new())]).collect()
}

fn rule(host: String) -> Rule {
    Rule {
        hostname: HostPattern {
            text: host,
            ascii: None,
        },
        path: None,
        service: Service::Status(200),
        origin: OriginRequest::zero(),
        access: None,
        access_is_own: false,
    }
}

/// The head of a data stream, in both directions.
fn connect(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("connect");
    let request = request();
    let mut encoded = BytesMut::new();
    request.put(&mut encoded).expect("the request fits");
    let encoded = encoded.freeze();
    group.throughput(Throughput::Bytes(encoded.len() as u64));
    group.bench_function("request decode", |bencher| {
        bencher.iter(|| decode(black_box(encoded.clone())));
    });
    group.bench_function("request decode to head", |bencher| {
        bencher.iter(|| HttpHead::read(decode(black_box(encoded.clone()))));
    });
    group.bench_function("request encode", |bencher| {
        bencher.iter(|| {
            let mut out = BytesMut::with_capacity(4096);
            black_box(&request).put(&mut out).expect("the request fits");
            out
        });
    });
    let response = response();
    group.bench_function("response encode", |bencher| {
        bencher.iter(|| {
            let mut out = BytesMut::with_capacity(4096);
            black_box(&response).put(&mut out).expect("the response fits");
            out
        });
    });
    group.finish();
}

fn decode(bytes: Bytes) -> ConnectRequest {
    let mut intake = Intake::from(bytes);
    preamble::take(&mut intake)
        .expect("a data stream")
        .expect("a whole preamble");
    let request = ConnectRequest::take(&mut intake).expect("a request");
    request.expect("a whole request")
}

const FIELDS: [(&str, &str); 12] = [
    (
        "Accept",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    ),
    ("Accept-Encoding", "gzip, br"),
    ("Accept-Language", "en-GB,en;q=0.9"),
    ("Cdn-Loop", "cloudflare; loops=1"),
    ("Cf-Connecting-Ip", "192.0.2.7"),
    ("Cf-Ipcountry", "XX"),
    ("Cf-Ray", "8f0d1c2b3a495867-LHR"),
    ("Cf-Visitor", r#"{"scheme":"https"}"#),
    ("Cookie", "session=0123456789abcdef0123456789abcdef"),
    (
        "User-Agent",
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    ),
    ("X-Forwarded-For", "192.0.2.7"),
    ("X-Forwarded-Proto", "https"),
];

fn request() -> ConnectRequest {
    let named = [("HttpMethod", "GET"), ("HttpHost", "app.example.com")];
    let named = named.map(|(key, value)| Metadata::new(key, value));
    ConnectRequest {
        destination: "https://app.example.com/path?query=1".into(),
        kind: ConnectionType::Http,
        metadata: named.into_iter().chain(FIELDS.map(field)).collect(),
    }
}

fn response() -> ConnectResponse {
    ConnectResponse {
        error: Bytes::new(),
        metadata: [Metadata::new(STATUS, "200")]
            .into_iter()
            .chain(FIELDS.map(field))
            .collect(),
    }
}

fn field((name, value): (&'static str, &'static str)) -> Metadata {
    Metadata::new(format!("{HEADER}{name}"), value)
}

/// Header fields as the HTTP/2 transport serialises them.
fn blob(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("header blob");
    let fields = FIELDS.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let blob = h2::serialize(fields);
    group.throughput(Throughput::Bytes(blob.len() as u64));
    group.bench_function("serialise", |bencher| {
        bencher.iter(|| h2::serialize(black_box(fields)));
    });
    group.bench_function("deserialise", |bencher| {
        bencher.iter(|| h2::deserialize(black_box(&blob)).expect("a blob"));
    });
    group.finish();
}

/// The two-way copy, between an edge and an origin that cost nothing.
fn copying(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime without drivers");
    let mut group = criterion.benchmark_group("splice");
    for (name, chunk, count) in [("64 B", 64, 256), ("16 KiB", 16 * 1024, 64)] {
        group.throughput(Throughput::Bytes((chunk * count) as u64));
        group.bench_function(BenchmarkId::new("to the origin", name), |bencher| {
            bencher.iter(|| runtime.block_on(copy(arriving(chunk, count), Origin { chunk, left: 0 })));
        });
        group.bench_function(BenchmarkId::new("from the origin", name), |bencher| {
            bencher.iter(|| runtime.block_on(copy(Body::empty(), Origin { chunk, left: count })));
        });
    }
    group.finish();
}

async fn copy(body: Body, origin: Origin) {
    let mut edge = Edge;
    splice(body, Box::new(origin), &mut edge)
        .await
        .expect("nothing fails");
}

/// A body that is there already, in chunks.
fn arriving(chunk: usize, count: usize) -> Body {
    let data = Bytes::from(vec![b'a'; chunk]);
    let frames = std::iter::repeat_n(data, count).map(|data| Ok(Frame::data(data)));
    Body::stream(StreamBody::new(futures_util::stream::iter(frames)))
}

/// An edge that takes everything.
struct Edge;

impl Outlet for Edge {
    fn poll_send(&mut self, _: &mut Context<'_>, data: &mut Bytes) -> Poll<Result<(), OutletError>> {
        black_box(data.split_off(0));
        Poll::Ready(Ok(()))
    }

    fn finish(&mut self) -> Result<(), OutletError> {
        Ok(())
    }

    fn poll_gone(&mut self, _: &mut Context<'_>) -> Poll<OutletError> {
        Poll::Pending
    }
}

/// An origin that takes everything and sends so many chunks.
struct Origin {
    chunk: usize,
    left: usize,
}

impl AsyncRead for Origin {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            let chunk = self.chunk.min(buf.remaining());
            buf.initialize_unfilled_to(chunk);
            buf.advance(chunk);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Origin {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(black_box(data).len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
