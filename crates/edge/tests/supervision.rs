//! A whole tunnel whose world falls apart and is put together again, against the edge on 127.0.0.1.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use adit_edge::prechecks::{self, Verdict};
use adit_edge::{
    Credentials, Dns, Identity, LocalConfiguration, Metrics, Outcome, Parts, Protocol, Roots, Settings,
    Source, Status, Tunnel,
};
use adit_exchange::{Answer, Body, Proxy, Reply, Request, Response};
use adit_loopback::dns::{Mood, Record};
use adit_loopback::edge::{self, Edge};
use adit_loopback::error::StreamError;
use adit_loopback::faults::{self, Direction, Greeting, Loss, Order};
use adit_loopback::request::Request as Visit;
use adit_loopback::visitor::Response as Visited;
use adit_loopback::{Area, Registration, Transport};
use adit_rpc::ConfigurationManager;
use adit_rpc::server::Answer as RpcAnswer;
use adit_wire::configuration::{Applied, Update};
use prometheus::Registry;
use tokio::process::Command;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const AUTO: Protocol = Protocol::Auto { token: true };

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_udp_is_served_within_three_seconds_and_returns_to_quic() {
    let edge = edge::new().run().await.expect("the edge starts");
    edge.everywhere().silence_udp(Direction::Both);
    let begun = Instant::now();
    let adit = Adit::start(&edge, AUTO);
    all_over(&edge, Transport::Http2, secs(3)).await;
    assert!(begun.elapsed() < secs(3), "{:?}", begun.elapsed());

    let visitors = Visitors::start(&edge);
    edge.everywhere()
        .restore_udp()
        .await
        .expect("the ports are still ours");
    all_over(&edge, Transport::Quic, secs(120)).await;
    assert_eq!(visitors.stop().await, [""; 0]);
    assert_eq!(adit.drain().await, Outcome::Drained);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_speaks_against_quic_leads_to_http2() {
    for obstacle in [Obstacle::Closed, Obstacle::Rejects, Obstacle::WrongCertificate] {
        let edge = edge::new().run().await.expect("the edge starts");
        let everywhere = edge.everywhere();
        match obstacle {
            Obstacle::Closed => everywhere.close_udp(),
            Obstacle::Rejects => everywhere.greet_over(Transport::Quic, Greeting::Rejects),
            Obstacle::WrongCertificate => everywhere.greet_over(Transport::Quic, Greeting::WrongCertificate),
        }
        let adit = Adit::start(&edge, AUTO);
        all_over(&edge, Transport::Http2, secs(3)).await;
        assert_eq!(adit.drain().await, Outcome::Drained, "{obstacle:?}");
    }
}

#[derive(Clone, Copy, Debug)]
enum Obstacle {
    Closed,
    Rejects,
    WrongCertificate,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_data_centre_is_replaced_by_the_other() {
    let cases = [AUTO, Protocol::Http2].map(|protocol| async move {
        let edge = edge::new().addresses(4).run().await.expect("the edge starts");
        let mut adit = Adit::start(&edge, protocol);
        adit.registered(&edge).await;
        edge.data_centre(1).lose(Loss::Silent);
        let moved = async {
            loop {
                let now = edge.registered(4).await;
                if now.iter().all(|one| one.site == 0) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(secs(8), moved).await.expect("the others take over");
        assert_eq!(adit.drain().await, Outcome::Drained, "{protocol:?}");
    });
    JoinSet::from_iter(cases).join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_that_was_away_is_found_again_by_all() {
    let cases =
        [AUTO, Protocol::Http2].map(|protocol| [Loss::Abrupt, Loss::Silent].map(|loss| (protocol, loss)));
    let cases = cases.into_iter().flatten().map(|(protocol, loss)| async move {
        let edge = edge::new().run().await.expect("the edge starts");
        let mut adit = Adit::start(&edge, protocol);
        adit.registered(&edge).await;
        edge.everywhere().lose(loss);
        within(edge.deserted()).await;
        edge.everywhere()
            .restore()
            .await
            .expect("the ports are still ours");
        let back = timeout(secs(40), edge.registered(4)).await;
        assert_eq!(back.expect("all are back").len(), 4, "{protocol:?} {loss:?}");
        assert_eq!(adit.drain().await, Outcome::Drained, "{protocol:?} {loss:?}");
    });
    JoinSet::from_iter(cases).join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_connection_is_replaced_before_it_is_given_up() {
    let cases = [Protocol::Quic, Protocol::Http2].map(|protocol| async move {
        let edge = edge::new().run().await.expect("the edge starts");
        let mut adit = Adit::start(&edge, protocol);
        let before = adit.registered(&edge).await;
        let others = Visitors::on(&edge, &[0, 2, 3]);
        edge.connection(1).silence(Direction::Both);
        let replaced = async {
            loop {
                let now = edge.connection(1).registered().await;
                if now.serial != before[1].serial {
                    return now;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let successor = timeout(secs(8), replaced).await.expect("there is a successor");
        assert_ne!(successor.address, before[1].address, "{protocol:?}");
        assert_eq!(others.stop().await, [""; 0], "{protocol:?}");
        assert_eq!(adit.drain().await, Outcome::Drained, "{protocol:?}");
    });
    JoinSet::from_iter(cases).join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_resolve_late_are_served_soon() {
    let cases = [Mood::Fails, Mood::NoSuchName, Mood::Silent].map(|mood| async move {
        let edge = edge::new().dns(mood).run().await.expect("the edge starts");
        let mut settings = settings(&edge, Protocol::Auto { token: false });
        settings.source = Source::Discovered { region: None };
        let adit = Adit::run(settings);
        tokio::time::sleep(secs(3)).await;
        assert_eq!(edge.connections().len(), 0);
        edge.dns().mood(Mood::Answers);
        let begun = Instant::now();
        within(edge.registered(1)).await;
        assert!(begun.elapsed() < secs(2), "{mood:?}: {:?}", begun.elapsed());
        within(edge.registered(4)).await;
        assert_eq!(adit.drain().await, Outcome::Drained);
    });
    JoinSet::from_iter(cases).join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_may_pass_is_waited_for() {
    use faults::Answer;
    let answers = [
        Answer::Duplicate,
        Answer::Later {
            cause: "busy".to_owned(),
            after: secs(1),
        },
        Answer::Exception("broken".to_owned()),
        Answer::unauthorized(),
        Answer::Late(Duration::from_millis(300)),
    ];
    let cases =
        [Protocol::Quic, Protocol::Http2].map(|protocol| answers.clone().map(|answer| (protocol, answer)));
    let cases = cases.into_iter().flatten().map(|(protocol, answer)| async move {
        let edge = edge::new().run().await.expect("the edge starts");
        edge.order(Order::times(answer.clone(), 2));
        let begun = Instant::now();
        let adit = Adit::start(&edge, protocol);
        within(edge.registered(4)).await;
        if matches!(answer, Answer::Later { .. }) {
            assert!(begun.elapsed() >= secs(2), "{protocol:?}: {:?}", begun.elapsed());
        }
        assert_eq!(adit.drain().await, Outcome::Drained, "{protocol:?} {answer:?}");
    });
    JoinSet::from_iter(cases).join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_that_is_not_authorised_is_given_up_after_the_third_answer() {
    let cases = [Protocol::Quic, Protocol::Http2].map(|protocol| async move {
        let edge = edge::new().run().await.expect("the edge starts");
        edge.order(Order::always(faults::Answer::unauthorized()));
        let adit = Adit::start(&edge, protocol);
        let Outcome::Rejected { cause } = within(adit.running).await.expect("it does not panic") else {
            panic!("it was rejected");
        };
        assert!(cause.contains("Unauthorized"), "{cause}");
        assert_eq!(edge.refused(3).await.len(), 3);
    });
    JoinSet::from_iter(cases).join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rolling_restarts_under_load_fail_no_request() {
    for protocol in [Protocol::Quic, Protocol::Http2] {
        let edge = edge::new().run().await.expect("the edge starts");
        let mut pair = [Adit::start(&edge, protocol), Adit::start(&edge, protocol)].map(Some);
        within(edge.registered(8)).await;
        let visitors = Visitors::start(&edge);
        for round in 0..20 {
            let place = &mut pair[round % 2];
            let old = place.take().expect("it runs");
            assert_eq!(old.drain().await, Outcome::Drained);
            *place = Some(Adit::start(&edge, protocol));
            within(edge.registered(8)).await;
        }
        assert_eq!(visitors.stop().await, [""; 0], "{protocol:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_checks_at_start_tell_what_works() {
    let (all, no_udp, nothing) = tokio::join!(
        checks(|_| {}),
        checks(Area::close_udp),
        checks(|area| {
            area.close_udp();
            area.close_tcp();
        })
    );
    // There is no interface for updates here.
    let quic = Some(adit_exchange::Transport::Quic);
    let http2 = Some(adit_exchange::Transport::Http2);
    let rows = |text: &str| text.to_owned();
    assert_eq!(
        all,
        (
            rows("pass pass pass pass pass pass fail"),
            Verdict::Degraded,
            quic
        )
    );
    assert_eq!(
        no_udp,
        (
            rows("pass pass fail fail pass pass fail"),
            Verdict::Degraded,
            http2
        )
    );
    assert_eq!(
        nothing,
        (
            rows("pass pass fail fail fail fail fail"),
            Verdict::HardFail,
            None
        )
    );
}

/// Runs the checks against an edge with a fault.
async fn checks(fault: impl Fn(&Area)) -> (String, Verdict, Option<adit_exchange::Transport>) {
    let edge = edge::new().run().await.expect("the edge starts");
    fault(&edge.everywhere());
    let mut settings = settings(&edge, AUTO);
    settings.source = Source::Discovered { region: None };
    let report = within(prechecks::run(&settings))
        .await
        .expect("the settings are usable");
    assert_eq!(edge.violations(), [""; 0]);
    let rows: Vec<_> = report.rows.iter().map(|row| row.status.name()).collect();
    (rows.join(" "), report.verdict(), report.suggested())
}

#[tokio::test]
async fn an_ipv6_only_host_needs_no_flags() {
    const WORLD: &str = "ip link set lo up mtu 1280 && ip -4 addr flush dev lo && \
                         for a in 11 12 21 22; do ip -6 addr add fd00::$a/128 dev lo nodad; done && exec \"$0\" \"$@\"";
    let own = std::env::current_exe().expect("a test knows itself");
    let inside = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "sh", "-c", WORLD])
        .arg(own)
        .args(["--ignored", "--exact", "inside_an_ipv6_only_host"])
        .output();
    let inside = within(inside).await.expect("`unshare` of util-linux runs");
    let told = String::from_utf8_lossy(&inside.stderr);
    if !inside.status.success() && (told.contains("unshare failed") || told.contains("not permitted")) {
        println!("skipped, this machine gives no namespaces: {told}");
        return;
    }
    assert!(
        inside.status.success(),
        "{}{told}",
        String::from_utf8_lossy(&inside.stdout)
    );
}

/// The edge has IPv4 addresses too, which are listed first, and every path is as narrow as IPv6 allows.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "runs inside a network namespace of its own, started by the test above"]
async fn inside_an_ipv6_only_host() {
    for protocol in [Protocol::Auto { token: false }, Protocol::Http2] {
        let edge = ipv6_edge().await;
        let mut settings = settings(&edge, protocol);
        settings.source = Source::Discovered { region: None };
        let report = within(prechecks::run(&settings))
            .await
            .expect("the settings are usable");
        assert_ne!(
            report.verdict(),
            Verdict::HardFail,
            "{}",
            report.table().join("\n")
        );

        let begun = Instant::now();
        let mut adit = Adit::run(settings);
        let registered = adit.registered(&edge).await;
        assert!(begun.elapsed() < secs(3), "{protocol:?}: {:?}", begun.elapsed());
        assert!(registered.iter().all(|one| one.address.is_ipv6()));

        // One that fails is no reason to try the other family.
        let lost = edge.at(registered[2].address);
        lost.lose(Loss::Abrupt);
        let begun = Instant::now();
        within(edge.registered(3)).await;
        lost.restore().await.expect("the ports are still ours");
        within(edge.registered(4)).await;
        assert!(begun.elapsed() < secs(20), "{protocol:?}: {:?}", begun.elapsed());
        assert_eq!(adit.drain().await, Outcome::Drained);
    }
}

async fn ipv6_edge() -> Edge {
    let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
    let sites = [["fd00::11", "fd00::12"], ["fd00::21", "fd00::22"]];
    let edge = edge::new()
        .family(edge::Family::V6)
        .listening_on(sites.iter().map(|site| site.map(ip).to_vec()).collect())
        .front(SocketAddr::from((Ipv6Addr::LOCALHOST, 0)));
    let edge = edge.run().await.expect("the edge starts");
    for (number, site) in sites.iter().enumerate() {
        let mut records = vec![
            Record::Address(ip("198.51.100.1")),
            Record::Address(ip("198.51.100.2")),
        ];
        records.extend(site.map(|address| Record::Address(ip(address))));
        edge.dns()
            .set(&format!("region{}.v2.argotunnel.com", number + 1), records);
    }
    edge
}

/// Visitors who ask all the time.
struct Visitors {
    tasks: JoinSet<()>,
    failures: Arc<Mutex<Vec<String>>>,
    over: CancellationToken,
}

impl Visitors {
    /// Starts visitors whom the edge sends to any connection.
    fn start(edge: &Edge) -> Self {
        let mut visitors = Self::nobody();
        for _ in 0..8 {
            let visitor = edge.visitor();
            visitors.add(move || {
                let visitor = visitor.clone();
                async move { visitor.visit(Visit::get("https://h/")).await }
            });
        }
        visitors
    }

    /// Starts visitors whom the edge sends to certain connections.
    fn on(edge: &Edge, indices: &[u8]) -> Self {
        let mut visitors = Self::nobody();
        for index in indices {
            let connection = edge.connection(*index);
            visitors.add(move || {
                let connection = connection.clone();
                async move { connection.send(Visit::get("https://h/")).await }
            });
        }
        visitors
    }

    fn nobody() -> Self {
        Self {
            tasks: JoinSet::new(),
            failures: Arc::default(),
            over: CancellationToken::new(),
        }
    }

    fn add<F>(&mut self, visit: impl Fn() -> F + Send + 'static)
    where
        F: Future<Output = Result<Visited, StreamError>> + Send,
    {
        let (failures, over) = (Arc::clone(&self.failures), self.over.clone());
        self.tasks.spawn(async move {
            while !over.is_cancelled() {
                if let Err(failure) = judge(visit().await).await {
                    failures.lock().expect("nobody panics here").push(failure);
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
    }

    /// Returns the requests that failed.
    async fn stop(self) -> Vec<String> {
        self.over.cancel();
        within(self.tasks.join_all()).await;
        std::mem::take(&mut self.failures.lock().expect("nobody panics here"))
    }
}

async fn judge(visited: Result<Visited, StreamError>) -> Result<(), String> {
    let mut answer = visited.map_err(|error| error.to_string())?;
    let text = answer.text().await.map_err(|error| error.to_string())?;
    match (answer.status(), text.as_str()) {
        (200, "hello") => Ok(()),
        (status, text) => Err(format!("{status} {text}")),
    }
}

/// A tunnel that runs.
struct Adit {
    status: Status,
    leave: CancellationToken,
    running: JoinHandle<Outcome>,
}

impl Adit {
    fn start(edge: &Edge, protocol: Protocol) -> Self {
        Self::run(settings(edge, protocol))
    }

    #[expect(clippy::disallowed_methods, reason = "the test is the owner")]
    fn run(settings: Settings) -> Self {
        let local: LocalConfiguration = Arc::new(|| Ok("{\"ingress\":[]}".into()));
        let tunnel = Tunnel::new(Parts {
            settings,
            proxy: Arc::new(Origin),
            configuration: Arc::new(Rules),
            local_configuration: local,
            sessions: None,
            metrics: Metrics::new(&Registry::new()).expect("the registry is new"),
        });
        let tunnel = tunnel.expect("the settings are usable");
        let status = tunnel.status();
        let leave = CancellationToken::new();
        let running = tokio::spawn(tunnel.run(leave.clone()));
        Self {
            status,
            leave,
            running,
        }
    }

    /// Waits until both sides know of four connections.
    async fn registered(&mut self, edge: &Edge) -> Vec<Registration> {
        assert!(within(self.status.wait_for(|all| all.len() == 4)).await);
        within(edge.registered(4)).await
    }

    async fn drain(self) -> Outcome {
        self.leave.cancel();
        within(self.running).await.expect("it does not panic")
    }
}

fn settings(edge: &Edge, protocol: Protocol) -> Settings {
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
    settings.dns = Dns::Servers(vec![edge.dns().address()]);
    settings.grace = secs(10);
    settings
}

struct Origin;

impl Proxy for Origin {
    fn call(&self, _: Request) -> Answer<'_> {
        Box::pin(async {
            Ok(Reply::Response(Response {
                status: 200,
                wording: None,
                headers: [("Content-Type", "text/plain")].into_iter().collect(),
                body: Body::full("hello"),
            }))
        })
    }
}

struct Rules;

impl ConfigurationManager for Rules {
    fn update_configuration(&self, update: Update) -> RpcAnswer<'_, Applied> {
        let applied = Applied {
            version: update.version,
            error: String::new(),
        };
        Box::pin(std::future::ready(applied))
    }
}

/// Waits until all four connections serve over this transport.
async fn all_over(edge: &Edge, transport: Transport, limit: Duration) {
    let there = async {
        loop {
            let now = edge.registered(4).await;
            if now.iter().all(|one| one.transport == transport) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let there = timeout(limit, there).await;
    assert!(
        there.is_ok(),
        "not all over {transport:?} within {limit:?}: {:?}",
        edge.connections()
    );
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(secs(30), future)
        .await
        .expect("it happens within half a minute")
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
