//! Sans-IO. Single-origin mode: one rule made of flags.

use adit_dialect::url::Url;
use adit_dialect::{hostport, idna, ip};

use crate::error::ConfigError;
use crate::origin::OriginRequest;
use crate::overrides::Overrides;
use crate::rule::{HostPattern, Rule};
use crate::service::Service;

/// Makes the one rule that flags ask for; nothing if they ask for none.
pub(crate) fn rule(said: &Overrides) -> Result<Option<Rule>, ConfigError> {
    let service = if said.hello_world.is_some() {
        Service::HelloWorld
    } else if said.bastion.is_some() {
        Service::Bastion
    } else if let Some(url) = &said.url {
        service(url)?
    } else if let Some(path) = &said.unix_socket {
        Service::unix(path, false)
    } else {
        return Ok(None);
    };
    Ok(Some(Rule {
        hostname: HostPattern::default(),
        path: None,
        service,
        origin: origin(said),
        access: None,
        access_is_own: false,
    }))
}

/// Returns the settings that flags make.
pub(crate) fn origin(said: &Overrides) -> OriginRequest {
    let mut origin = OriginRequest::new();
    /// Overwrites fields with what is said about them.
    macro_rules! take {
        ($($field:ident),*) => {
            $(if let Some(value) = &said.$field { origin.$field.clone_from(value); })*
        };
    }
    take!(connect_timeout, tls_timeout, tcp_keep_alive, no_happy_eyeballs);
    take!(keep_alive_connections, keep_alive_timeout, http_host_header);
    take!(
        origin_server_name,
        ca_pool,
        no_tls_verify,
        disable_chunked_encoding
    );
    take!(http2_origin, http2_prior_knowledge, proxy_address);
    origin.bastion_mode = said.bastion.unwrap_or(false);
    if let Some(port) = said.proxy_port {
        origin.proxy_port = port.cast_unsigned();
    }
    if said.socks5.is_some() {
        origin.proxy_type = String::from("socks");
    }
    origin
}

fn service(text: &str) -> Result<Service, ConfigError> {
    let told = |problem: String| {
        ConfigError::new(format!("Error validating origin URL: {problem}"))
            .hint("an origin looks like `http://localhost:8080`")
    };
    let text = normalise(text).map_err(told)?;
    let url = Url::parse(&text).map_err(|error| told(error.to_string()))?;
    Ok(Service::of_url(&url))
}

/// Puts what a user gives as URL into the form of one.
///
/// # Errors
///
/// Fails with the text that users know.
pub fn normalise(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err(String::from("URL should not be empty"));
    }
    if let Some(host) = bare_address(text) {
        return Ok(with_address("http", host, ""));
    }
    let split = hostport::split_str(text).ok();
    if let Some((host, port)) = split.filter(|(host, _)| is_address(host)) {
        return Ok(with_address("http", host, port));
    }
    let invalid = || format!("URL {text} has invalid format");
    let decoded = unescape(text).ok_or_else(|| format!("URL {text} has invalid escape characters "))?;
    let url = Url::parse(&decoded).map_err(|_| invalid())?;
    if !url.scheme().is_empty() && !url.host().is_empty() {
        return with_scheme(&url, &invalid);
    }
    match split.filter(|(host, _)| !host.is_empty()) {
        Some((host, port)) => {
            let host = hostname(host).ok_or_else(invalid)?;
            Ok(format!("http://{}", hostport::join(&host, port)))
        }
        None => Ok(format!("http://{}", hostname(text).ok_or_else(invalid)?)),
    }
}

/// Returns the address that is the whole text, perhaps in brackets.
fn bare_address(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    inner.or(Some(text).filter(|text| is_address(text)))
}

fn with_scheme(url: &Url<'_>, invalid: &dyn Fn() -> String) -> Result<String, String> {
    let scheme = url.scheme();
    if !matches!(scheme, "http" | "https" | "rdp" | "ssh" | "smb" | "tcp") {
        let problem = format!("Currently Cloudflare Tunnel does not support {scheme} protocol.");
        return Err(problem);
    }
    let host = String::from_utf8_lossy(url.hostname());
    let port = String::from_utf8_lossy(url.port());
    if is_address(&host) {
        return Ok(with_address(scheme, &host, &port));
    }
    let host = hostname(&host).ok_or_else(invalid)?;
    if port.is_empty() {
        return Ok(format!("{scheme}://{host}"));
    }
    Ok(format!("{scheme}://{}", hostport::join(&host, port)))
}

fn with_address(scheme: &str, host: &str, port: &str) -> String {
    if !port.is_empty() {
        return format!("{scheme}://{}", hostport::join(host, port));
    }
    if host.contains(':') {
        return format!("{scheme}://[{host}]");
    }
    format!("{scheme}://{host}")
}

/// Returns the ASCII form of what stands where a hostname should, path and query included.
fn hostname(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some(String::new());
    }
    if text.contains(':') || text.contains("%3A") {
        let decoded = unescape(text)?;
        let url = Url::parse(&decoded).ok()?;
        let host = String::from_utf8_lossy(url.hostname()).into_owned();
        return Some(idna::to_punycode(&host)?.into_owned());
    }
    let ascii = idna::to_punycode(text)?;
    let url = Url::parse(ascii.as_ref()).ok()?;
    Some(String::from_utf8_lossy(&url.request_target()).into_owned())
}

fn is_address(text: &str) -> bool {
    ip::parse(text.as_bytes()).is_ok_and(|(_, zone)| zone.is_none())
}

/// Decodes percent escapes; nothing if one is broken.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let value = digit()? * 16 + digit()?;
        decoded.push(u8::try_from(value).ok()?);
    }
    Some(decoded)
}
