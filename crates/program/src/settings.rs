//! From what the user said to the settings of each component: the only file that sees both.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use adit_config::overrides::{ConfigurationFlags, Overrides};
use adit_config::{Credentials, Span};
use adit_dialect::{hostport, ip, number};
use adit_edge::{Dns, Family, Identity, Protocol, Quic, Roots, Source};
use adit_ingress::Tag;
use uuid::Uuid;

use crate::cli::{Options, Source as Said, Value};
use crate::failure::Failure;
use crate::program::VERSION;
use adit_dialect::errno;

/// The longest time that requests in flight are given at shutdown.
const LONGEST_GRACE: i64 = 180_000_000_000;

/// How the protocols are explained to whoever names another one.
const PROTOCOLS: &str = "Available protocols: 'auto' - automatically chooses the best protocol over time (the \
                         default; and also the recommended one); 'quic' - based on QUIC, relying on UDP egress to \
                         Cloudflare edge; 'http2' - using Go's HTTP2 library, relying on TCP egress to Cloudflare \
                         edge";

/// What the private network can be told.
const MOST_RESOLVERS: usize = 10;

/// Returns what was said about a single origin.
pub(crate) fn overrides(options: &Options) -> Overrides {
    let text = |name| match options.find(name) {
        Some((_, Value::Text(text))) => Some(text),
        _ => None,
    };
    let switch = |name| match options.find(name) {
        Some((_, Value::Switch(on))) => Some(on),
        _ => None,
    };
    let span = |name| match options.find(name) {
        Some((_, Value::Duration(nanos))) => Some(Span::from_nanos(nanos)),
        _ => None,
    };
    let integer = |name| match options.find(name) {
        Some((_, Value::Integer(number))) => Some(number),
        _ => None,
    };
    Overrides {
        hello_world: switch("hello-world"),
        bastion: switch("bastion"),
        url: text("url"),
        unix_socket: text("unix-socket"),
        socks5: switch("socks5"),
        connect_timeout: span("proxy-connect-timeout"),
        tls_timeout: span("proxy-tls-timeout"),
        tcp_keep_alive: span("proxy-tcp-keepalive"),
        no_happy_eyeballs: switch("proxy-no-happy-eyeballs"),
        keep_alive_connections: integer("proxy-keepalive-connections"),
        keep_alive_timeout: span("proxy-keepalive-timeout"),
        http_host_header: text("http-host-header"),
        origin_server_name: text("origin-server-name"),
        ca_pool: text("origin-ca-pool"),
        no_tls_verify: switch("no-tls-verify"),
        disable_chunked_encoding: switch("no-chunked-encoding"),
        http2_origin: switch("http2-origin"),
        http2_prior_knowledge: switch("http2-prior-knowledge"),
        proxy_address: text("proxy-address"),
        proxy_port: integer("proxy-port"),
    }
}

/// Returns the flags that the edge is told about.
pub(crate) fn configuration_flags(options: &Options) -> ConfigurationFlags {
    let mut flags = ConfigurationFlags::default();
    for name in ConfigurationFlags::NAMES {
        if let Some((_, value)) = options.find(name) {
            flags.set(name, &value.to_string());
        }
    }
    flags
}

/// Returns the tags that origins are sent, the last of them the connector itself.
///
/// # Errors
///
/// Fails for a tag that is no `name=value`.
pub(crate) fn tags(options: &Options, connector: Uuid) -> Result<Vec<Tag>, Failure> {
    let mut tags = Vec::new();
    for text in options.list("tag") {
        let tag = text
            .split_once('=')
            .filter(|(name, value)| !name.is_empty() && !value.is_empty());
        let Some((name, value)) = tag else {
            let problem = format!("Cannot parse tag value {text}");
            tracing::error!(error = problem, "Tag parse failure");
            return Err(Failure::new(format!("Tag parse failure: {problem}")));
        };
        tags.extend(Tag::new(name, value));
    }
    tags.extend(Tag::new("ID", &connector.to_string()));
    Ok(tags)
}

/// Returns what the edge side is told, everything checked in upstream's order.
///
/// # Errors
///
/// Fails for the first setting that cannot be.
pub(crate) fn edge(
    options: &Options,
    credentials: &Credentials,
    connector: Uuid,
    by_token: bool,
) -> Result<adit_edge::Settings, Failure> {
    let account = adit_edge::Credentials {
        account: credentials.account_tag.clone(),
        secret: credentials.secret.expose().clone().into(),
        tunnel: credentials.tunnel_id.uuid(),
    };
    let identity = Identity {
        connector,
        version: format!("adit/{VERSION}"),
        arch: format!("{}_{}", system(), architecture()),
    };
    let mut settings = adit_edge::Settings::new(account, identity);
    settings.protocol = protocol(options, by_token)?;
    settings.roots = roots(options)?;
    settings.grace = grace(options)?;
    (settings.family, settings.bind) = family(options)?;
    settings.source = source(options, credentials)?;
    resolvers(options)?;
    settings.dns = dns(options)?;
    settings.connections = connections(options)?;
    settings.retries = small(options.integer("retries"));
    settings.address_retries = small(options.integer("max-edge-addr-retries"));
    settings.give_up = options.is_set("retries");
    settings.rpc_timeout = positive(options.duration("rpc-timeout")).unwrap_or(settings.rpc_timeout);
    settings.write_timeout = positive(options.duration("write-stream-timeout"));
    settings.post_quantum = options.switch("post-quantum");
    settings.quic = quic(options);
    settings.features = options.list("features");
    Ok(settings)
}

fn protocol(options: &Options, by_token: bool) -> Result<Protocol, Failure> {
    let text = options.text("protocol");
    match text.as_str() {
        "auto" => Ok(Protocol::Auto { token: by_token }),
        "quic" => Ok(Protocol::Quic),
        "http2" => Ok(Protocol::Http2),
        "h2mux" => {
            tracing::warn!(
                "h2mux is no longer a supported protocol: upgrading edge connection to http2. Please remove \
                 '--protocol h2mux' from runtime arguments to remove this warning."
            );
            Ok(Protocol::Http2)
        }
        other => Err(Failure::new(format!("unknown protocol {other}, {PROTOCOLS}"))),
    }
}

fn roots(options: &Options) -> Result<Roots, Failure> {
    let Some(path) = options.some_text("cacert") else {
        return Ok(Roots::System);
    };
    let told = |reason: String| {
        Failure::new(format!(
            "unable to create TLS config to connect with edge: Error loading root CAs: Error reading certificate \
             {path}: {reason}"
        ))
    };
    let pem = std::fs::read(&path).map_err(|error| told(format!("open {path}: {}", errno::text(&error))))?;
    Roots::from_pem(&pem).map_err(|error| told(error.to_string()))
}

/// Returns the time that requests in flight are given.
fn grace(options: &Options) -> Result<Duration, Failure> {
    let nanos = options.duration("grace-period");
    if nanos > LONGEST_GRACE {
        return Err(Failure::new("grace-period must be equal or less than 3m0s"));
    }
    Ok(positive(nanos).unwrap_or(Duration::ZERO))
}

/// Returns the address family and the local address; the address outranks the family.
fn family(options: &Options) -> Result<(Family, Option<IpAddr>), Failure> {
    let text = options.text("edge-ip-version");
    let family = match text.as_str() {
        "4" => Family::V4,
        "6" => Family::V6,
        "auto" => Family::Auto,
        other => {
            return Err(Failure::new(format!(
                "invalid value for edge-ip-version: {other}"
            )));
        }
    };
    let Some(bind) = options.some_text("edge-bind-address") else {
        return Ok((family, None));
    };
    let address: IpAddr = match ip::parse(bind.as_bytes()) {
        Ok((address, None)) => address,
        _ => {
            return Err(Failure::new(format!(
                "invalid value for edge-bind-address: {bind}"
            )));
        }
    };
    if let Err(error) = UdpSocket::bind(SocketAddr::new(address, 0)) {
        let at = hostport::join(&address.to_string(), 0);
        let reason = errno::text(&error);
        return Err(Failure::new(format!(
            "invalid edge-bind-address {bind}: listen udp {at}: bind: {reason}"
        )));
    }
    let (forced, number, bound, other) = match address {
        IpAddr::V4(_) => (Family::V4, "4", "IPv4", Family::V6),
        IpAddr::V6(_) => (Family::V6, "6", "IPv6", Family::V4),
    };
    if family == other {
        let was = if other == Family::V6 { "IPv6" } else { "IPv4" };
        let error = format!("{bound} bind address is specified, but edge-ip-version is {was}");
        tracing::warn!(error, edgeIPVersion = number, "Overriding edge-ip-version");
    }
    Ok((forced, Some(address)))
}

fn source(options: &Options, credentials: &Credentials) -> Result<Source, Failure> {
    let endpoint = Some(credentials.endpoint.clone()).filter(|endpoint| !endpoint.is_empty());
    let region = match (options.some_text("region"), endpoint) {
        (Some(_), Some(_)) => {
            return Err(Failure::new("region provided with a token that has an endpoint"));
        }
        (region, endpoint) => region.or(endpoint),
    };
    let fixed = options.list("edge");
    if fixed.is_empty() {
        return Ok(Source::Discovered { region });
    }
    Ok(Source::Fixed(fixed))
}

/// Returns the addresses that names of the private network are resolved at.
pub(crate) fn resolvers(options: &Options) -> Result<Vec<SocketAddr>, Failure> {
    let told = |reason: String| Failure::new(format!("invalid dns-resolver-addrs provided: {reason}"));
    let texts = options.list("dns-resolver-addrs");
    if texts.len() > MOST_RESOLVERS {
        return Err(told(format!(
            "too many addresses provided, max: {MOST_RESOLVERS}"
        )));
    }
    texts
        .iter()
        .map(|text| address_and_port(text).map_err(told))
        .collect()
}

/// Reads an address with its port, in the words of upstream's library.
fn address_and_port(text: &str) -> Result<SocketAddr, String> {
    let (address, port) = text.rsplit_once(':').ok_or("not an ip:port")?;
    if address.is_empty() {
        return Err("no IP".into());
    }
    if port.is_empty() {
        return Err("no port".into());
    }
    let number = port.bytes().all(|digit| digit.is_ascii_digit());
    let Some(number) = number.then(|| port.parse().ok()).flatten() else {
        return Err(format!("invalid port {} parsing {}", quote(port), quote(text)));
    };
    let bracketed = address.strip_prefix('[').map(|rest| rest.strip_suffix(']'));
    let bare = match bracketed {
        Some(Some(inner)) => inner,
        Some(None) => return Err("missing ]".into()),
        None => address,
    };
    let (parsed, _) = ip::parse(bare.as_bytes()).map_err(|error| error.to_string())?;
    if parsed.is_ipv4() == bracketed.is_some() {
        let text = quote(text);
        return Err(format!(
            "invalid ip:port {text}, square brackets can only be used with IPv6 addresses"
        ));
    }
    Ok(SocketAddr::new(parsed, number))
}

/// Returns who resolves the names of the edge; an extension of this program.
fn dns(options: &Options) -> Result<Dns, Failure> {
    let texts = options.list("resolver");
    if texts.is_empty() {
        return Ok(Dns::System);
    }
    let servers = texts.iter().map(|text| address_and_port(text));
    let servers = servers.collect::<Result<_, _>>();
    servers
        .map(Dns::Servers)
        .map_err(|reason| Failure::new(format!("invalid resolver provided: {reason}")))
}

fn connections(options: &Options) -> Result<u8, Failure> {
    let number = options.integer("ha-connections");
    if number < 0 {
        return Err(Failure::new(format!(
            "invalid value for ha-connections: {number}"
        )));
    }
    // The first connection is always made.
    Ok(small(number).max(1))
}

fn quic(options: &Options) -> Quic {
    let window = |name| match options.find(name) {
        Some((_, Value::Integer(bytes))) if bytes > 0 => Some(bytes.unsigned_abs()),
        _ => None,
    };
    Quic {
        connection_window: window("quic-connection-level-flow-control-limit"),
        stream_window: window("quic-stream-level-flow-control-limit"),
        probe_path: !options.switch("quic-disable-pmtu-discovery"),
        tell_shortage: !options
            .environment_text(QUIET)
            .is_some_and(|text| matches!(number::boolean(text), Ok(true))),
    }
}

/// The variable that spares users the warning about the buffers of the kernel.
const QUIET: &str = "QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING";

/// Returns the settings that diagnostics show, without any that could hold a secret.
pub(crate) fn shown(options: &Options) -> std::collections::BTreeMap<String, String> {
    const LEFT_OUT: [&str; 10] = [
        "origincert",
        "output",
        "credentials-file",
        "token-file",
        "features",
        "icmpv4-src",
        "icmpv6-src",
        "dns-resolver-addrs",
        "api-email",
        "resolver",
    ];
    let mut shown = std::collections::BTreeMap::new();
    for (name, (flag, value)) in options.settings() {
        let text = match name {
            "logfile" | "log-directory" => absolute(&value.to_string()),
            _ => value.to_string(),
        };
        let left_out = LEFT_OUT.contains(&name) || name.starts_with("proxy-dns");
        if name == flag.name && !flag.secret && !left_out && !text.is_empty() {
            shown.insert(name.to_owned(), text);
        }
    }
    shown
}

fn absolute(path: &str) -> String {
    match std::path::absolute(path) {
        Ok(path) => path.display().to_string(),
        Err(_) => path.to_owned(),
    }
}

/// Returns whether a setting came from the command line, the environment or the file.
pub(crate) fn said(options: &Options, name: &'static str) -> Option<Said> {
    options.find(name).map(|(source, _)| source)
}

/// Returns the system in upstream's names.
pub(crate) const fn system() -> &'static str {
    match std::env::consts::OS.as_bytes() {
        b"macos" => "darwin",
        _ => std::env::consts::OS,
    }
}

/// Returns the architecture in upstream's names.
pub(crate) const fn architecture() -> &'static str {
    match std::env::consts::ARCH.as_bytes() {
        b"x86_64" => "amd64",
        b"aarch64" => "arm64",
        b"x86" => "386",
        _ => std::env::consts::ARCH,
    }
}

fn quote(text: &str) -> String {
    adit_dialect::quote::quote(text)
}

fn positive(nanos: i64) -> Option<Duration> {
    u64::try_from(nanos)
        .ok()
        .filter(|nanos| *nanos > 0)
        .map(Duration::from_nanos)
}

/// Returns a number as near as it fits.
fn small(number: i64) -> u8 {
    u8::try_from(number.max(0)).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{self, Request};

    #[test]
    fn the_warning_about_buffers_can_be_spared() {
        let rows = [
            (None, true),
            (Some(""), true),
            (Some("true"), false),
            (Some("1"), false),
            (Some("false"), true),
            (Some("yes"), true),
        ];
        for (value, told) in rows {
            let words = ["tunnel", "run"].map(Into::into);
            let Ok(Request::Command(words)) = cli::read(&words) else {
                panic!("the words are a command");
            };
            let environment = value.map(|value| (QUIET.to_owned(), value.to_owned()));
            let options = Options::new(words, environment.into_iter().collect());
            let options = options.unwrap_or_else(|failure| panic!("{failure:?}"));
            assert_eq!(quic(&options).tell_shortage, told, "{value:?}");
        }
    }
}
