//! Builds an edge.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use crate::authority::Authority;
use crate::credentials::Credentials;
use crate::dns::{Dns, EDGE_NAME, FEATURES_NAME, Mood, Record, TRANSPORTS_NAME};
use crate::edge::Edge;
use crate::error::Error;
use crate::faults::Direction;
use crate::front;
use crate::ports::{self, Ports};
use crate::registrar::Registrar;
use crate::relay::{Relay, Weather};
use crate::roster::Roster;
use crate::site::{Ground, Spot};
use crate::tasks::Tasks;
use crate::violations::Violations;
use crate::visitor::Visitor;

/// Which families of addresses the edge has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// IPv4 alone.
    #[default]
    V4,
    /// IPv6 alone. Loopback has one address, so that a data centre has one.
    V6,
    /// Both.
    Both,
}

/// What an edge shall be like.
#[derive(Clone, Debug)]
#[must_use = "an edge begins to be with `run`"]
pub struct Builder {
    data_centres: usize,
    addresses: usize,
    family: Family,
    given: Vec<Vec<IpAddr>>,
    credentials: Credentials,
    connections: u8,
    remotely_managed: bool,
    closes_drained: bool,
    udp: bool,
    tcp: bool,
    weather: Option<Weather>,
    dns: Mood,
    transports: String,
    features: String,
    front: SocketAddr,
}

/// Returns a builder of an edge: two data centres of two IPv4 addresses, both transports, and
/// credentials of its own.
pub fn new() -> Builder {
    Builder {
        data_centres: 2,
        addresses: 2,
        family: Family::default(),
        given: Vec::new(),
        credentials: Credentials::random(),
        connections: 4,
        remotely_managed: false,
        closes_drained: true,
        udp: true,
        tcp: true,
        weather: None,
        dns: Mood::Answers,
        transports: TRANSPORTS.to_owned(),
        features: FEATURES.to_owned(),
        front: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
    }
}

/// Everybody uses QUIC.
const TRANSPORTS: &str = r#"[{"protocol":"quic","percentage":100},{"protocol":"http2","percentage":100}]"#;
/// Nobody uses datagrams of version 3.
const FEATURES: &str = r#"{"dv3_2":0}"#;

impl Builder {
    /// Sets how many data centres there are.
    pub const fn data_centres(mut self, count: usize) -> Self {
        self.data_centres = count;
        self
    }

    /// Sets how many addresses of each family a data centre has. Where loopback has one address
    /// only (IPv6, and IPv4 on other systems than Linux) it stays at one.
    pub const fn addresses(mut self, count: usize) -> Self {
        self.addresses = count;
        self
    }

    /// Sets the families of addresses.
    pub const fn family(mut self, family: Family) -> Self {
        self.family = family;
        self
    }

    /// Sets the addresses of each data centre one by one: addresses of this machine that it does
    /// not share, such as those added to the loopback interface of a network namespace.
    pub fn listening_on(mut self, addresses: Vec<Vec<IpAddr>>) -> Self {
        self.given = addresses;
        self
    }

    /// Sets the credentials that are accepted.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = credentials;
        self
    }

    /// Sets how many connections a connector may have.
    pub const fn connections(mut self, count: u8) -> Self {
        self.connections = count;
        self
    }

    /// Tells connectors that their configuration will be pushed.
    pub const fn remotely_managed(mut self) -> Self {
        self.remotely_managed = true;
        self
    }

    /// Leaves it to the connector to end connections that it has unregistered.
    pub const fn keeps_drained(mut self) -> Self {
        self.closes_drained = false;
        self
    }

    /// Serves HTTP/2 alone; UDP packets vanish.
    pub const fn http2_only(mut self) -> Self {
        self.udp = false;
        self
    }

    /// Serves QUIC alone; TCP connections are refused.
    pub const fn quic_only(mut self) -> Self {
        self.tcp = false;
        self
    }

    /// Puts a relay in front of every address, with this weather.
    pub const fn weather(mut self, weather: Weather) -> Self {
        self.weather = Some(weather);
        self
    }

    /// Sets how the DNS server begins.
    pub const fn dns(mut self, mood: Mood) -> Self {
        self.dns = mood;
        self
    }

    /// Sets the record with the share of each transport.
    pub fn transports(mut self, json: &str) -> Self {
        json.clone_into(&mut self.transports);
        self
    }

    /// Sets the record with remotely chosen features.
    pub fn features(mut self, json: &str) -> Self {
        json.clone_into(&mut self.features);
        self
    }

    /// Sets where visitors are served over HTTP/1.1; by default a free port of 127.0.0.1.
    pub const fn front(mut self, address: SocketAddr) -> Self {
        self.front = address;
        self
    }

    /// Starts the edge.
    ///
    /// # Errors
    ///
    /// Fails when a port cannot be opened or certificates cannot be made.
    pub async fn run(self) -> Result<Edge, Error> {
        let authority = Authority::new()?;
        let tasks = Tasks::default();
        let roster = Roster::new();
        let violations = Violations::default();
        let registrar = Registrar::new(
            Arc::clone(&roster),
            self.credentials.clone(),
            self.connections,
            self.remotely_managed,
        );
        let ground = Ground {
            registrar: Arc::clone(&registrar),
            roster: Arc::clone(&roster),
            violations: violations.clone(),
            tasks: tasks.clone(),
            closes_drained: self.closes_drained,
        };
        let sites = self.open_sites(&ground, &authority).await?;
        let dns = self.open_dns(&sites, &tasks).await?;
        let visitor = Visitor::new(Arc::clone(&roster), tasks.clone());
        let front = self.open_front(&visitor, &tasks)?;
        Ok(Edge {
            authority,
            dns,
            registrar,
            roster,
            sites,
            front,
            visitor,
            violations,
            tasks,
        })
    }

    async fn open_sites(&self, ground: &Ground, authority: &Authority) -> Result<Vec<Vec<Arc<Spot>>>, Error> {
        let mut sites = Vec::new();
        for (site, ips) in self.plan().iter().enumerate() {
            let mut spots = Vec::new();
            for (address, udp, tcp) in Ports::open(ips).await?.into_sockets() {
                let (own, udp, tcp) = match self.weather {
                    None => (address, udp, tcp),
                    Some(weather) => Relay::put_before(address, (udp, tcp), weather, &ground.tasks).await?,
                };
                let spot = Spot::new(ground.clone(), authority, site, (address, own));
                spot.serve_udp(udp)?;
                if !self.udp {
                    spot.silence_udp(Some(Direction::Both));
                }
                if self.tcp {
                    spot.serve_tcp(tcp)?;
                }
                spots.push(spot);
            }
            sites.push(spots);
        }
        Ok(sites)
    }

    /// Returns the addresses of each data centre.
    fn plan(&self) -> Vec<Vec<IpAddr>> {
        if !self.given.is_empty() {
            return self.given.clone();
        }
        (0..self.data_centres).map(|site| self.plan_site(site)).collect()
    }

    fn plan_site(&self, site: usize) -> Vec<IpAddr> {
        let v4 = (0..self.addresses).filter_map(|rank| loopback_v4(site, rank));
        let v6 = (self.addresses > 0).then_some(IpAddr::V6(Ipv6Addr::LOCALHOST));
        match self.family {
            Family::V4 => v4.collect(),
            Family::V6 => v6.into_iter().collect(),
            Family::Both => v4.chain(v6).collect(),
        }
    }

    async fn open_dns(&self, sites: &[Vec<Arc<Spot>>], tasks: &Tasks) -> Result<Dns, Error> {
        let ip = match self.family {
            Family::V4 | Family::Both => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Family::V6 => IpAddr::V6(Ipv6Addr::LOCALHOST),
        };
        let dns = Dns::start(ip, tasks).await?;
        dns.mood(self.dns);
        dns.set(TRANSPORTS_NAME, vec![Record::Text(vec![self.transports.clone()])]);
        dns.set(FEATURES_NAME, vec![Record::Text(vec![self.features.clone()])]);
        for region in REGIONS {
            list_sites(&dns, region, sites);
        }
        Ok(dns)
    }

    fn open_front(&self, visitor: &Visitor, tasks: &Tasks) -> Result<SocketAddr, Error> {
        let listener = ports::tcp(self.front)?;
        let front = listener.local_addr().map_err(|source| Error::Listen {
            address: self.front,
            source,
        })?;
        tasks.start(front::serve(listener, visitor.clone(), tasks.clone()));
        Ok(front)
    }
}

/// The regions whose names are known; the first is the whole world.
const REGIONS: [&str; 3] = ["", "us", "fed"];

/// Lists the data centres under the names of a region.
fn list_sites(dns: &Dns, region: &str, sites: &[Vec<Arc<Spot>>]) {
    let prefix = if region.is_empty() {
        String::new()
    } else {
        format!("{region}-")
    };
    let mut services = Vec::new();
    for (site, spots) in sites.iter().enumerate() {
        let Some(first) = spots.first() else {
            continue;
        };
        let target = format!("{prefix}region{}.v2.argotunnel.com", site + 1);
        services.push(Record::Srv {
            priority: site as u16 + 1,
            weight: 1,
            port: first.address.port(),
            target: target.clone(),
        });
        let addresses = spots.iter().map(|spot| Record::Address(spot.address.ip()));
        dns.set(&target, addresses.collect());
    }
    let name = match EDGE_NAME.strip_prefix('_') {
        Some(rest) if !region.is_empty() => format!("_{region}-{rest}"),
        Some(_) | None => EDGE_NAME.to_owned(),
    };
    dns.set(&name, services);
}

/// Returns an IPv4 loopback address of its own for each place, where the system has more than one.
fn loopback_v4(site: usize, rank: usize) -> Option<IpAddr> {
    if cfg!(target_os = "linux") {
        let (site, rank) = (u8::try_from(site + 1).ok()?, u8::try_from(rank + 1).ok()?);
        return Some(IpAddr::V4(Ipv4Addr::new(127, 0, site, rank)));
    }
    (rank == 0).then_some(IpAddr::V4(Ipv4Addr::LOCALHOST))
}
