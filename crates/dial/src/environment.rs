//! Sans-IO. Which proxy the environment names for a host, if any.

use std::collections::BTreeMap;
use std::net::IpAddr;

use adit_config::{Network, Secret};
use adit_dialect::ip::parse_network;
use adit_dialect::url::Url;
use adit_dialect::{base64, hostport};

/// What the environment says about proxies.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    http: Option<Detour>,
    https: Option<Detour>,
    exempt: Vec<Exempt>,
}

/// A proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detour {
    /// What it speaks.
    pub kind: Kind,
    pub(crate) host: String,
    /// Host and port to dial.
    pub(crate) address: String,
    /// The value of `Proxy-Authorization`.
    pub authorization: Option<Secret<String>>,
    pub(crate) user: Option<(String, Secret<String>)>,
}

/// What a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// HTTP.
    Http,
    /// HTTP in TLS.
    Https,
    /// SOCKS, version 5.
    Socks,
}

/// A place that is reached without a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Exempt {
    Everything,
    Network(Network),
    Address(IpAddr, Option<String>),
    /// Names with this ending, which starts with a dot; the name itself too, unless only those
    /// below it are meant.
    Domain {
        ending: String,
        below_only: bool,
        port: Option<String>,
    },
}

impl Environment {
    /// Reads what the environment says; what makes no sense says nothing.
    #[must_use]
    pub fn read(variables: &BTreeMap<String, String>) -> Self {
        let either = |upper: &str, lower: &str| {
            let found = variables.get(upper).filter(|value| !value.is_empty());
            found.or_else(|| variables.get(lower)).map_or("", String::as_str)
        };
        Self {
            http: Detour::read(either("HTTP_PROXY", "http_proxy")),
            https: Detour::read(either("HTTPS_PROXY", "https_proxy")),
            exempt: either("NO_PROXY", "no_proxy")
                .split(',')
                .filter_map(Exempt::read)
                .collect(),
        }
    }

    /// Returns the proxy on the way to `host` at `port`.
    #[must_use]
    pub fn detour(&self, tls: bool, host: &str, port: &str) -> Option<Detour> {
        let detour = if tls { &self.https } else { &self.http }.as_ref()?;
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address: Option<IpAddr> = host.parse().ok();
        if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
            return None;
        }
        let exempt = self
            .exempt
            .iter()
            .any(|exempt| exempt.covers(&host, address, port));
        (!exempt).then(|| detour.clone())
    }
}

impl Detour {
    fn read(text: &str) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        let with_scheme = format!("http://{text}");
        let known = |url: &Url<'_>| {
            matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") && !url.host().is_empty()
        };
        let url = match Url::parse(text).ok().filter(known) {
            Some(url) => url,
            None => Url::parse(&with_scheme).ok().filter(known)?,
        };
        let (kind, port) = match url.scheme() {
            "https" => (Kind::Https, "443"),
            "socks5" | "socks5h" => (Kind::Socks, "1080"),
            _ => (Kind::Http, "80"),
        };
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let host = lossy(url.hostname());
        let port = if url.port().is_empty() {
            port.to_owned()
        } else {
            lossy(url.port())
        };
        let user = url.user().map(|user| {
            let password = user.password.as_deref().map(lossy);
            (lossy(&user.name), Secret::new(password.unwrap_or_default()))
        });
        let basic = |(name, password): &(String, Secret<String>)| {
            let login = Secret::new(format!("{name}:{}", password.expose()));
            Secret::new(format!("Basic {}", base64::encode(login.expose())))
        };
        Some(Self {
            kind,
            address: hostport::join(&host, port),
            host,
            authorization: user.as_ref().map(basic),
            user,
        })
    }
}

impl Exempt {
    fn read(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        if text.is_empty() {
            return None;
        }
        if text == "*" {
            return Some(Self::Everything);
        }
        if let Some((address, length)) = parse_network(&text) {
            return Network::new(address, length).map(Self::Network);
        }
        let (host, port) = match hostport::split_str(&text) {
            Ok((host, port)) => (host.to_owned(), Some(port.to_owned())),
            Err(_) => (text, None),
        };
        if let Ok(address) = host.trim_matches(['[', ']']).parse() {
            return Some(Self::Address(address, port));
        }
        let host = host.strip_prefix('*').unwrap_or(&host);
        let below_only = host.starts_with('.');
        let ending = if below_only {
            host.to_owned()
        } else {
            format!(".{host}")
        };
        (ending.len() > 1).then_some(Self::Domain {
            ending,
            below_only,
            port,
        })
    }

    fn covers(&self, host: &str, address: Option<IpAddr>, port: &str) -> bool {
        let at_port = |wanted: &Option<String>| wanted.as_ref().is_none_or(|wanted| wanted == port);
        match self {
            Self::Everything => true,
            Self::Network(network) => address.is_some_and(|address| network.contains(address)),
            Self::Address(exempt, wanted) => address == Some(*exempt) && at_port(wanted),
            Self::Domain {
                ending,
                below_only,
                port: wanted,
            } => {
                let below = host.ends_with(ending.as_str());
                let itself = !below_only && host == &ending[1..];
                (below || itself) && at_port(wanted)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        let pairs = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Environment::read(&pairs.collect())
    }

    #[test]
    fn proxies_are_read_from_either_spelling() {
        let said = environment(&[
            ("http_proxy", "http://u:p@proxy:3128"),
            ("HTTPS_PROXY", "proxy.example"),
        ]);
        let plain = said.detour(false, "host", "80").expect("a proxy");
        assert_eq!(
            (&plain.address[..], plain.authorization),
            ("proxy:3128", Some(Secret::new("Basic dTpw".into())))
        );
        let tls = said.detour(true, "host", "443").expect("a proxy");
        assert_eq!((&tls.address[..], tls.kind), ("proxy.example:80", Kind::Http));
        assert_eq!(environment(&[]).detour(false, "host", "80"), None);
    }

    #[test]
    fn some_places_need_no_proxy() {
        let said = environment(&[
            ("HTTP_PROXY", "socks5://proxy"),
            (
                "NO_PROXY",
                "10.0.0.0/8, example.com,.sub.org,*.star.net, 192.0.2.1:81 ,host:82",
            ),
        ]);
        let check = |host: &str, port: &str, direct: bool| {
            assert_eq!(said.detour(false, host, port).is_none(), direct, "{host}:{port}");
        };
        check("localhost", "80", true);
        check("127.8.9.1", "80", true);
        check("::1", "80", true);
        check("10.1.2.3", "80", true);
        check("11.1.2.3", "80", false);
        check("Example.com", "80", true);
        check("www.example.com", "80", true);
        check("notexample.com", "80", false);
        check("sub.org", "80", false);
        check("a.sub.org", "80", true);
        check("star.net", "80", false);
        check("a.star.net", "80", true);
        check("192.0.2.1", "81", true);
        check("192.0.2.1", "80", false);
        check("host", "82", true);
        check("host", "80", false);
        assert_eq!(
            environment(&[("HTTP_PROXY", "p"), ("NO_PROXY", "*")]).detour(false, "x", "80"),
            None
        );
    }
}
