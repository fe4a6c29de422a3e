//! Finds the edge: SRV records and the addresses behind them, addresses from the user, and the TXT
//! records that Cloudflare steers connectors with.
//!
//! Nothing is remembered between two searches: networks come up late, and their resolvers with them.

pub(crate) mod order;
mod resolver;

use std::future::Future;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hickory_resolver::proto::rr::rdata::SRV;

use crate::report;
use crate::settings::{Dns, Settings, Source};
use crate::supervisor::{Discovered, Routes};
use order::{Candidate, unspecified};
use resolver::Resolver;

/// What a resolver is asked about a name.
type Question<T> = for<'a> fn(&'a Resolver, &'a str) -> Asked<'a, T>;
type Asked<'a, T> = Pin<Box<dyn Future<Output = Result<T, String>> + Send + 'a>>;

/// Finds the edge.
#[derive(Debug)]
pub(crate) struct Discovery {
    source: Source,
    dns: Dns,
    failure_told: AtomicBool,
}

impl Discovery {
    /// Prepares to look where the settings say.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            source: settings.source.clone(),
            dns: settings.dns.clone(),
            failure_told: AtomicBool::new(false),
        }
    }

    /// Leaves it to others to tell that nothing is found.
    pub(crate) fn quiet(self) -> Self {
        self.failure_told.store(true, Ordering::Relaxed);
        self
    }

    /// Looks up the addresses of a host.
    ///
    /// # Errors
    ///
    /// Fails when it has none or nobody answers.
    pub(crate) async fn host(&self, host: &str) -> Result<Vec<IpAddr>, String> {
        Resolver::new(&self.dns)?.addresses(host).await
    }

    /// Looks for the addresses of both regions.
    ///
    /// # Errors
    ///
    /// Fails with upstream's words when there is none.
    pub(crate) async fn look(&self) -> Result<Discovered, String> {
        let found = match &self.source {
            Source::Discovered { region } => self.look_up(region.as_deref()).await,
            Source::Fixed(edges) => self.resolve_fixed(edges).await,
        };
        match &found {
            Ok(_) => self.failure_told.store(false, Ordering::Relaxed),
            // The search goes on every other second; one line tells the reader as much as a hundred.
            Err(cause) if !self.failure_told.swap(true, Ordering::Relaxed) => {
                report::discovery_failed(cause);
            }
            Err(_) => {}
        }
        found.map(with_routes)
    }

    /// Looks up a TXT record and returns the strings of each.
    ///
    /// # Errors
    ///
    /// Fails when there is none or no answer in time.
    pub(crate) async fn texts(&self, name: &str) -> Result<Vec<Vec<Box<[u8]>>>, String> {
        let lookup = async { Resolver::new(&self.dns)?.texts(name).await };
        let texts = tokio::time::timeout(TEXT_LIMIT, lookup).await;
        texts.unwrap_or_else(|_elapsed| Err(format!("lookup {name}: i/o timeout")))
    }

    async fn look_up(&self, region: Option<&str>) -> Result<[Vec<SocketAddr>; 2], String> {
        let name = srv_name(region);
        report::looking_up(&name);
        let question: Question<_> = |resolver, name| Box::pin(resolver.services(name));
        let mut services = self
            .ask(&name, question, PUBLIC_LIMIT)
            .await
            .map_err(|cause| format!("Could not lookup srv records on {name}: {cause}"))?;
        sort_services(&mut services);
        let [first, second, ..] = &services[..] else {
            let count = services.len();
            return Err(format!(
                "expected at least 2 Cloudflare Regions regions, but SRV only returned {count}"
            ));
        };
        let (first, second) = tokio::join!(self.addresses(first), self.addresses(second));
        // One data centre is better than none; the other is found when all of these fail.
        match (first, second) {
            (Err(cause), Err(_)) => Err(cause),
            (first, second) => Ok([told(first), told(second)]),
        }
    }

    async fn addresses(&self, service: &SRV) -> Result<Vec<SocketAddr>, String> {
        let SRV {
            target,
            port,
            priority,
            weight,
            ..
        } = service;
        let shown = format!("&{{{target} {port} {priority} {weight}}}");
        let host = target.to_string();
        let question: Question<_> = |resolver, host| Box::pin(resolver.addresses(host));
        // §1.3, improve: who has asked the public resolver for the names does not know them either.
        let ips = self.ask(&host, question, PUBLIC_LIMIT_ADDRESSES).await;
        let ips = ips.map_err(|cause| format!("Couldn't resolve SRV record {shown}: {cause}"))?;
        if ips.is_empty() {
            return Err(format!("SRV record {shown} had no IPs"));
        }
        Ok(ordered(ips).map(|ip| SocketAddr::new(ip, *port)).collect())
    }

    /// Asks the system's resolver, and if it does not know, again and again while a public one is
    /// asked over TLS.
    async fn ask<T>(&self, name: &str, question: Question<T>, limit: Duration) -> Result<T, String> {
        let system = async || question(&Resolver::new(&self.dns)?, name).await;
        let cause = match system().await {
            Ok(answer) => return Ok(answer),
            Err(cause) => cause,
        };
        if self.dns != Dns::System {
            return Err(cause);
        }
        let persist = async {
            loop {
                tokio::time::sleep(PERSIST).await;
                if let Ok(answer) = system().await {
                    return answer;
                }
            }
        };
        let public = async { question(&Resolver::public()?, name).await };
        tokio::select! {
            answer = persist => Ok(answer),
            answer = tokio::time::timeout(limit, public) => match answer {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(_)) | Err(_) => Err(cause),
            },
        }
    }

    async fn resolve_fixed(&self, edges: &[String]) -> Result<[Vec<SocketAddr>; 2], String> {
        let resolver = Resolver::new(&self.dns)?;
        let mut regions = [Vec::new(), Vec::new()];
        let mut position = 0;
        for edge in edges {
            match resolve_one(&resolver, edge).await {
                Ok(address) => {
                    regions[position % 2].push(address);
                    position += 1;
                }
                Err(cause) => report::unresolvable(edge, &cause),
            }
        }
        if position == 0 {
            return Err("failed to resolve any edge address".to_owned());
        }
        Ok(regions)
    }
}

/// Returns the name of the SRV record, of a region if one is wanted.
fn srv_name(region: Option<&str>) -> String {
    let prefix = region.filter(|region| !region.is_empty());
    let dash = if prefix.is_some() { "-" } else { "" };
    let prefix = prefix.unwrap_or_default();
    format!("_{prefix}{dash}v2-origintunneld._tcp.argotunnel.com")
}

/// Sorts by priority; within one, a greater weight makes it likelier to be early (RFC 2782).
fn sort_services(services: &mut Vec<SRV>) {
    let mut rest = std::mem::take(services);
    fastrand::shuffle(&mut rest);
    rest.sort_by_key(|service| (service.priority, service.weight != 0));
    while let Some(first) = rest.first() {
        let priority = first.priority;
        let same = rest.iter().take_while(|service| service.priority == priority);
        let weights: Vec<u32> = same.map(|service| u32::from(service.weight)).collect();
        let mut draw = fastrand::u32(..=weights.iter().sum::<u32>());
        let chosen = weights.iter().position(|weight| {
            let hit = draw <= *weight;
            draw = draw.saturating_sub(*weight);
            hit
        });
        services.push(rest.remove(chosen.unwrap_or(0)));
    }
}

async fn resolve_one(resolver: &Resolver, edge: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = edge.parse() {
        return Ok(address);
    }
    let (host, port) = edge
        .rsplit_once(':')
        .ok_or_else(|| format!("address {edge}: missing port in address"))?;
    let port = port
        .parse()
        .map_err(|_| format!("address {edge}: invalid port"))?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    let ips = resolver.addresses(host).await?;
    let ip = ordered(ips).next();
    let ip = ip.ok_or_else(|| format!("lookup {host}: no such host"))?;
    Ok(SocketAddr::new(ip, port))
}

fn ordered(ips: Vec<IpAddr>) -> impl Iterator<Item = IpAddr> {
    let mut candidates: Vec<_> = ips
        .into_iter()
        .map(|address| Candidate {
            address,
            source: source_towards(address),
        })
        .collect();
    order::sort(&mut candidates);
    candidates.into_iter().map(|candidate| candidate.address)
}

/// Returns the address that packets would come from. Nothing is sent.
fn source_towards(address: IpAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind((unspecified(address), 0)).ok()?;
    socket.connect((address, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// A family without a single address counts as routed: it has not been shown to be absent.
fn with_routes(regions: [Vec<SocketAddr>; 2]) -> Discovered {
    let routed = |v4: bool| {
        let mut family = regions.iter().flatten().filter(|address| address.is_ipv4() == v4);
        let mut found = family.clone().peekable();
        found.peek().is_none() || family.any(|address| source_towards(address.ip()).is_some())
    };
    let routes = Routes {
        v4: routed(true),
        v6: routed(false),
    };
    Discovered { regions, routes }
}

fn told(addresses: Result<Vec<SocketAddr>, String>) -> Vec<SocketAddr> {
    match addresses {
        Ok(addresses) => {
            report::resolved(&addresses);
            addresses
        }
        Err(cause) => {
            report::discovery_failed(&cause);
            Vec::new()
        }
    }
}

/// Pause between questions to the system's resolver while the public one is asked.
const PERSIST: Duration = Duration::from_millis(500);
/// §1.3: the whole budget of the public resolver.
const PUBLIC_LIMIT: Duration = Duration::from_secs(15);
/// Less, because the other data centre may be found already.
const PUBLIC_LIMIT_ADDRESSES: Duration = Duration::from_secs(5);
/// §9: the budget of a TXT record.
const TEXT_LIMIT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::Name;

    use super::*;

    #[test]
    fn the_region_is_a_prefix_of_the_name() {
        let check = |region, name: &str| assert_eq!(srv_name(region), name);
        check(None, "_v2-origintunneld._tcp.argotunnel.com");
        check(Some(""), "_v2-origintunneld._tcp.argotunnel.com");
        check(Some("us"), "_us-v2-origintunneld._tcp.argotunnel.com");
    }

    #[test]
    fn priority_rules_and_weight_favours() {
        let service = |priority, weight| SRV::new(priority, weight, 7844, Name::root());
        let mut heavy_first = 0;
        for _ in 0..400 {
            let mut services = vec![service(2, 9), service(1, 1), service(1, 99), service(1, 0)];
            sort_services(&mut services);
            let seen: Vec<_> = services.iter().map(|service| service.priority).collect();
            assert_eq!(seen, [1, 1, 1, 2]);
            heavy_first += u32::from(services[0].weight == 99);
        }
        assert!(heavy_first > 300, "{heavy_first}");
    }

    #[tokio::test]
    async fn addresses_from_the_user_alternate_between_regions() {
        let discovery = Discovery {
            source: Source::Fixed(
                ["127.0.0.1:1", "nowhere", "[::1]:2", "127.0.0.1:3"]
                    .map(str::to_owned)
                    .to_vec(),
            ),
            dns: Dns::Servers(Vec::new()),
            failure_told: AtomicBool::new(false),
        };
        let found = discovery.look().await.expect("three of them are addresses");
        let [first, second] = found.regions.map(|region| {
            let shown = region.iter().map(ToString::to_string);
            shown.collect::<Vec<_>>()
        });
        assert_eq!(first, ["127.0.0.1:1", "127.0.0.1:3"]);
        assert_eq!(second, ["[::1]:2"]);
    }
}
