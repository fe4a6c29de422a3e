//! One search for names, without libc: resolv.conf, the hosts file, search domains, or the servers given.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{RData, RecordType};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{ClientConfig, RootCertStore};

use crate::settings::Dns;

/// Resolves names, once or a few times.
pub(super) struct Resolver(TokioResolver);

impl Resolver {
    /// Reads the system's configuration, if that is what counts.
    pub(super) fn new(dns: &Dns) -> Result<Self, String> {
        let builder = match dns {
            Dns::System => TokioResolver::builder_tokio().map_err(|error| shown(&error))?,
            Dns::Servers(servers) => {
                let servers = servers.iter().copied().map(plain).collect();
                let config = ResolverConfig::from_parts(None, Vec::new(), servers);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        Self::build(builder, RootCertStore::empty())
    }

    /// Asks Cloudflare's public resolver over TLS.
    pub(super) fn public() -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let servers = PUBLIC.map(|ip| NameServerConfig::tls(ip, Arc::from(PUBLIC_NAME)));
        let config = ResolverConfig::from_parts(None, Vec::new(), servers.to_vec());
        let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        Self::build(builder, roots)
    }

    fn build(
        builder: hickory_resolver::ResolverBuilder<TokioRuntimeProvider>,
        roots: RootCertStore,
    ) -> Result<Self, String> {
        let tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut builder = builder.with_tls_config(tls);
        let options = builder.options_mut();
        options.timeout = TIMEOUT;
        options.attempts = ATTEMPTS;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        builder.build().map(Self).map_err(|error| shown(&error))
    }

    /// Looks up SRV records, at least one.
    pub(super) async fn services(&self, name: &str) -> Result<Vec<SRV>, String> {
        self.records(name, RecordType::SRV, |data| {
            let RData::SRV(service) = data else { return None };
            Some(service.clone())
        })
        .await
    }

    /// Looks up TXT records, at least one.
    pub(super) async fn texts(&self, name: &str) -> Result<Vec<Vec<Box<[u8]>>>, String> {
        self.records(name, RecordType::TXT, |data| {
            let RData::TXT(text) = data else { return None };
            Some(text.txt_data.to_vec())
        })
        .await
    }

    /// Looks up the addresses of a host, of both families.
    pub(super) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, String> {
        if let Ok(ip) = host.parse() {
            return Ok(vec![ip]);
        }
        let found = self.0.lookup_ip(host).await;
        let found = found.map_err(|error| format!("lookup {host}: {}", shown(&error)))?;
        Ok(found.iter().collect())
    }

    async fn records<T>(
        &self,
        name: &str,
        kind: RecordType,
        pick: impl Fn(&RData) -> Option<T>,
    ) -> Result<Vec<T>, String> {
        let absolute = format!("{name}.");
        let found = self.0.lookup(absolute, kind).await;
        let found = found.map_err(|error| format!("lookup {name}: {}", shown(&error)))?;
        let records: Vec<T> = found
            .answers()
            .iter()
            .filter_map(|record| pick(&record.data))
            .collect();
        if records.is_empty() {
            return Err(format!("lookup {name}: no such host"));
        }
        Ok(records)
    }
}

fn plain(address: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.to_vec())
}

/// Returns upstream's words where there are some.
fn shown(error: &NetError) -> String {
    if matches!(error, NetError::Timeout) {
        return "i/o timeout".to_owned();
    }
    if error.is_nx_domain() || error.is_no_records_found() {
        return "no such host".to_owned();
    }
    error.to_string()
}

/// Short, because a question that was lost while the network came up is lost for good.
const TIMEOUT: Duration = Duration::from_secs(1);
const ATTEMPTS: usize = 3;

/// §1.3; the second address is for hosts that only have IPv6.
const PUBLIC: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(1, 1, 1, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2606, 0x4700, 0x4700, 0, 0, 0, 0, 0x1111)),
];
const PUBLIC_NAME: &str = "cloudflare-dns.com";
